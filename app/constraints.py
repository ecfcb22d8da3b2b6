"""The errors (app.errors) that requests get when a database constraint is violated."""

from psycopg import IntegrityError
from psycopg.errors import ForeignKeyViolation, UniqueViolation

from app.errors import Conflict, JustAnswered, NotEnough, NotFound, OutOfStock, RewardsError

_REFUSALS: dict[str, tuple[type[RewardsError], str]] = {
    "orders_member_id_fkey": (NotFound, "no such member yet: register with POST /members"),
    "wallets_member_id_fkey": (NotFound, "no such member yet: register with POST /members"),
    "members_erased": (Conflict, "this member was erased: nothing more is done under their number"),
    "corrections_member_id_fkey": (NotFound, "there is no such member"),
    "discount_terms_vendor_id_fkey": (NotFound, "no such vendor yet: apply with POST /vendors"),
    "orders_pkey": (Conflict, "this order was placed already"),
    "idempotency_keys_pkey": (JustAnswered, "the same request was just answered; ask again"),
    "cap_is_kept": (Conflict, "it was used as often as it may be"),
    "claims_one_a_line": (Conflict, "there is a claim for this line already"),
    "offers_voucher_in_use": (Conflict, "another voucher has this code until it ends"),
    "offers_voucher_code": (Conflict, "another voucher has this code"),
    "vendors_one_on_board": (Conflict, "another vendor of that country with the same tax id is on board already"),
    "subscriptions_one_running": (Conflict, "you are subscribed to that already"),
    "subscriptions_one_open": (Conflict, "you are subscribed to that already"),
    "stock_is_never_negative": (OutOfStock, "there is not that much left"),
    "available_is_never_negative": (NotEnough, "there are not that many points"),
    "not_more_than_bought": (Conflict, "more came back than was bought"),
}
_KINDS: dict[str | None, tuple[type[RewardsError], str]] = {
    ForeignKeyViolation.sqlstate: (NotFound, "the request names something that is not here"),
    UniqueViolation.sqlstate: (Conflict, "there is such a thing already"),
}
"""Errors of foreign keys and unique constraints not listed above; a CHECK that is not listed fails only by a bug."""


def refusal(refused: IntegrityError) -> Exception:
    """Return the API error of a violated constraint, or `refused` itself if none is declared, which is a bug."""
    return declared(refused.diag.constraint_name, refused.sqlstate) or refused


def declared(constraint: str | None, sqlstate: str | None) -> RewardsError | None:
    """Return the API error declared for a constraint's name or else for the SQLSTATE; None if neither is declared."""
    error = _REFUSALS.get(constraint or "") or _KINDS.get(sqlstate)
    return error[0](error[1]) if error else None
