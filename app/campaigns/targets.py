"""Check that a rule's or offer's target (product, brand, category or vendor) is in the catalogue."""

from uuid import UUID

from app.catalog import categories
from app.catalog import service as catalog
from app.db import Session
from app.earning.earners import Scope, targeted
from app.errors import BadInput, FieldError
from app.text import fold


def checked(session: Session, scope: Scope, target: str, field: str = "target", *, draft: bool) -> str:
    """Return a rule's or offer's target (a brand's name or an id) in canonical spelling.

    Raises BadInput, naming the request's `field`, if there is no such product, vendor, category or brand. A draft may
    name a brand that no product has yet.
    """
    try:
        name = targeted(target, scope)
    except ValueError as error:
        raise _unknown(field, str(error)) from None
    if not (draft and scope is Scope.BRAND) and not _exists(session, scope, name):
        raise _unknown(field, f"there is no {scope} {name}")
    return name


def _exists(session: Session, scope: Scope, name: str) -> bool:
    match scope:
        case Scope.EVERYTHING:
            return True
        case Scope.BRAND:
            return any(fold(brand) == fold(name) for brand in catalog.brands(session))
        case Scope.PRODUCT:
            return catalog.has_product(session, UUID(name))
        case Scope.CATEGORY:
            return categories.has_category(session, UUID(name))
        case Scope.VENDOR:
            return catalog.has_vendor(session, UUID(name))


def _unknown(field: str, message: str) -> BadInput:
    return BadInput(message, [FieldError(field, "unknown-target", message)])
