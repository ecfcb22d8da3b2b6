"""Undo a redemption: give its points back to the lots from which they were drawn.

The units that earned a lot may have been returned after the lot's points were spent. The return then took points from
the member's other lots, or as a debt. Points that it could not take at all are called short. Undoing the redemption
pays short points to the vendors, because without the redemption the return could have taken them.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.db import WriteSession
from app.wallet import clawback, debts, repository, shorts
from app.wallet.models import Account, Draw, Posting, Redemption, RedemptionKind
from app.wallet.states import LOT, LotEvent


def undo(session: WriteSession, redemption: Redemption, at: datetime) -> int:
    """Give a cancelled redemption's points back to the lots that they were spent from.

    A product return takes the points of the returned units. Where these had been spent on this redemption, they are
    taken now. Then the member's debt is settled. Returns how many of the points taken now came from lots that returned
    units had earned; the others came from the member's other lots.
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
    """Take the short points of returns that came after the redemption, oldest return first.

    Takes no more points than the redemption had. Returns how many of them came from the lots of the returned units; the
    others came from other lots of the member.
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
            lot = clawback.claw_back_short(session, lot, return_id, own, at)
        if taken > own:
            clawback.recover_short(session, lot, return_id, taken - own, at)
        left, clawed_back = left - taken, clawed_back + own
    return clawed_back


def _count_recovered(session: WriteSession, lot_id: UUID) -> None:
    """Lower a lot's `recovered` points after some of its spent points were given back.

    `recovered` counts spent points that other lots paid for a return, so it can't exceed the lot's points that are
    still spent, less its short ones.
    """
    lot = repository.lock_lot(session, lot_id)
    recovered = min(lot.recovered, repository.draws_on(session, lot_id) - lot.short)
    repository.update_lot(session, replace(lot, recovered=recovered))
