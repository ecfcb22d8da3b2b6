"""What the database's own constraints refuse, said as the errors that callers know: the one place where both meet."""

from psycopg import IntegrityError

from app.errors import Conflict, JustAnswered, NotEnough, NotFound, OutOfStock, RewardsError

_REFUSALS: dict[str, tuple[type[RewardsError], str]] = {
    "orders_member_id_fkey": (NotFound, "no such member yet: register with POST /members"),
    "wallets_member_id_fkey": (NotFound, "no such member yet: register with POST /members"),
    "orders_pkey": (Conflict, "this order was placed already"),
    "idempotency_keys_pkey": (JustAnswered, "the same request was just answered; ask again"),
    "cap_is_kept": (Conflict, "it was used as often as it may be"),
    "claims_one_a_line": (Conflict, "there is a claim for this line already"),
    "offers_voucher_code": (Conflict, "another voucher has this code"),
    "subscriptions_one_running": (Conflict, "you are subscribed to that already"),
    "stock_is_never_negative": (OutOfStock, "there is not that much left"),
    "available_is_never_negative": (NotEnough, "there are not that many points"),
    "not_more_than_bought": (Conflict, "more came back than was bought"),
}


def refusal(refused: IntegrityError) -> Exception:
    """The error to raise instead; the database's own where none is known, which is then a fault of ours."""
    kind, detail = _REFUSALS.get(refused.diag.constraint_name or "", (None, ""))
    return kind(detail) if kind else refused
