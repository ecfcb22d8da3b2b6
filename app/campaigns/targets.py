"""What a rule or an offer is for must be in the catalogue."""

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
    """`field` is where a request names it."""

    scope: Scope
    name: str
    field: str = "target"


def checked(session: Session, target: Target, *, draft: bool) -> str:
    """The target's name with an id in its usual spelling.

    Raises BadInput where there is no such product, vendor, category or brand. A draft may name a brand before its
    first product comes.
    """
    try:
        name = targeted(target.name, target.scope)
    except ValueError as refused:
        raise _unknown(target, str(refused)) from None
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
