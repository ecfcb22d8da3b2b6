"""Members' debts: points that returns took beyond a member's balance. Points that become available pay debts first."""

from datetime import datetime
from uuid import UUID

from app.db import WriteSession
from app.wallet import repository, service
from app.wallet.models import Account, Posting, Redemption, RedemptionKind


def settle(session: WriteSession, member_id: UUID, at: datetime) -> int:
    """Lock a member's wallet, pay the member's debt from available points, and return how many points were paid."""
    wallet = repository.lock_wallet(session, member_id)
    points = min(wallet.owed, wallet.available) if wallet else 0
    if points:
        repository.change_wallet(session, member_id, owed=-points)
        owed = Posting(Account.MEMBER_OWED, member_id, points)
        recover(session, member_id, points, owed, at, RedemptionKind.CLAWBACK)
    return points


def recover(
    session: WriteSession,
    member_id: UUID,
    points: int,
    to: Posting,
    at: datetime,
    kind: RedemptionKind,
    of_order: UUID | None = None,
) -> None:
    """Take points from a member as a redemption of `kind`, and credit them to `to`: the debt, or a lot's funder."""
    redemption = Redemption.made(member_id, kind, points, at, order_id=of_order)
    service.spend(session, redemption, to=to)
