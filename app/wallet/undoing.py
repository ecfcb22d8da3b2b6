"""Undo a redemption: its points go back into the lots from which they were drawn.

Units may have come back since. The member gets the points that their returns took from other lots or booked as a debt.
Points of which lots are short, because the balance did not suffice, are taken now for the vendors: without the
redemption it would have sufficed.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.db import WriteSession
from app.wallet import debts, repository, returned_points, shorts
from app.wallet.models import Account, Draw, Posting, Redemption, RedemptionKind
from app.wallet.states import LOT, LotEvent


def undo(session: WriteSession, redemption: Redemption, at: datetime) -> int:
    """Give a redemption's points back to the member, and pay the member's debt with them.

    Returns the points that went to vendors for units that came back.
    """
    member_id = redemption.member_id
    repository.lock_wallet(session, member_id)
    draws = repository.undo_draws(session, redemption.redemption_id)
    repository.change_wallet(session, member_id, available=redemption.points)
    given_back = Posting(Account.MEMBER_AVAILABLE, member_id, redemption.points)
    is_correction = redemption.kind is RedemptionKind.CORRECTION
    kind, paid_to = (
        ("correction", Account.CORRECTIONS) if is_correction else ("cancellation", Account.PROGRAM_LIABILITY)
    )
    taken = Posting(paid_to, None, -redemption.points)
    repository.post(session, kind, [given_back, taken], at, movement_id=redemption.redemption_id)
    for draw in draws:
        _restore(session, draw)
    clawed_back = _take_what_went_short(session, redemption, at)
    for draw in draws:
        _count_recovered(session, draw.lot_id)
    debts.settle(session, member_id, at)
    return clawed_back


def _restore(session: WriteSession, draw: Draw) -> None:
    lot = repository.lock_lot(session, draw.lot_id)
    state = LOT.move(lot.state, LotEvent.GIVE_BACK)
    repository.update_lot(session, replace(lot, unspent=lot.unspent + draw.points, state=state))


def _take_what_went_short(session: WriteSession, redemption: Redemption, at: datetime) -> int:
    """Take the points of which lots became short since the redemption, oldest first.

    Returns how many of them came from those lots themselves.
    """
    missing = sorted(
        (return_id, lot.lot_id, points)
        for lot in repository.lots_gone_short(session, redemption.member_id)
        for return_id, points in shorts.since(lot, redemption.redemption_id).items()
    )
    left, clawed_back = redemption.points, 0
    for return_id, lot_id, points in missing:
        lot = repository.lock_lot(session, lot_id)
        taken = min(points, left)
        own = min(taken, lot.unspent)
        if own:
            lot = returned_points.claw_back_short(session, lot, return_id, own, at)
        if taken > own:
            returned_points.recover_short(session, lot, return_id, taken - own, at)
        left, clawed_back = left - taken, clawed_back + own
    return clawed_back


def _count_recovered(session: WriteSession, lot_id: UUID) -> None:
    """Lower the lot's `recovered` points to those that are still spent."""
    lot = repository.lock_lot(session, lot_id)
    recovered = min(lot.recovered, repository.draws_on(session, lot_id) - lot.short)
    repository.update_lot(session, replace(lot, recovered=recovered))
