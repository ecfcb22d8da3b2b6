"""Debts: points that a return took beyond a member's balance. What becomes available pays them first."""

from datetime import datetime
from uuid import UUID

from app.db import WriteSession
from app.wallet import repository, service
from app.wallet.models import Account, Posting, Redemption, RedemptionKind


def settle(session: WriteSession, member_id: UUID, at: datetime) -> int:
    """Pay what a member owes out of what is available; how much that was."""
    held = repository.lock_wallet(session, member_id)
    points = min(held.owed, held.available) if held else 0
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
    """What was spent out of a returned lot comes out of the member's other lots."""
    redemption = Redemption.made(member_id, kind, points, at, order_id=of_order)
    service.spend(session, redemption, to=to)
