"""Check that the target of a rule or offer is in the catalogue."""

from dataclasses import dataclass
from uuid import UUID

from app.catalog import categories
from app.catalog import service as catalog
from app.db import Session
from app.earning.earners import Scope, targeted
from app.errors import BadInput, FieldError
from app.text import fold


@dataclass(frozen=True)
class Target:
    """A target to check. `field` is the request's field that names it."""

    scope: Scope
    name: str
    field: str = "target"


def checked(session: Session, target: Target, *, draft: bool) -> str:
    """Return the target's name, with an id in canonical spelling.

    Raises BadInput if there is no such product, vendor, category or brand; a draft may name a brand without products.
    """
    try:
        name = targeted(target.name, target.scope)
    except ValueError as error:
        raise _unknown(target, str(error)) from None
    if not (draft and target.scope is Scope.BRAND) and not _exists(session, target.scope, name):
        raise _unknown(target, f"there is no {target.scope} {name}")
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


def _unknown(target: Target, message: str) -> BadInput:
    return BadInput(message, [FieldError(target.field, "unknown-target", message)])
