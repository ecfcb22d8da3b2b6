"""Undoing a redemption: its points go back into the lots that they were drawn from, as far as those still are owed.

Units may have come back since. What their return took out of the member's other lots, or wrote down as owed, was paid:
the member gets those points. What it could not take for want of a balance is taken now, for the vendor.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.db import WriteSession
from app.rewards import debts, repository, returns
from app.rewards.models import Account, Draw, Lot, Posting, Redemption, RedemptionKind
from app.rewards.states import LOT, LotEvent


def undo(session: WriteSession, redemption: Redemption, at: datetime) -> int:
    """Give a redemption's points back to its member, and pay with them what the member owes.

    The points that went on to vendors, for units that came back.
    """
    member_id = redemption.member_id
    repository.lock_wallet(session, member_id)
    draws = repository.undo_draws(session, redemption.redemption_id)
    repository.change_wallet(session, member_id, available=redemption.points)
    given_back = Posting(Account.MEMBER_AVAILABLE, member_id, redemption.points)
    corrects = redemption.kind is RedemptionKind.CORRECTION
    kind, paid_to = ("correction", Account.CORRECTIONS) if corrects else ("cancellation", Account.PROGRAM_LIABILITY)
    taken = Posting(paid_to, None, -redemption.points)
    repository.post(session, kind, [given_back, taken], at, movement_id=redemption.redemption_id)
    clawed_back = sum(_restore(session, draw, at) for draw in draws)
    debts.settle(session, member_id, at)
    return clawed_back


def _restore(session: WriteSession, draw: Draw, at: datetime) -> int:
    """Put a draw's points back into its lot; how many of them its vendor takes."""
    lot = repository.lock_lot(session, draw.lot_id)
    still_drawn = repository.draws_on(session, lot.lot_id)
    short = min(lot.short, draw.points)
    left_short = lot.short - short
    restored = replace(
        lot,
        unspent=lot.unspent + draw.points,
        short=left_short,
        recovered=min(lot.recovered, still_drawn - left_short),
        state=LOT.move(lot.state, LotEvent.GIVE_BACK),
    )
    clawed_back = returns.claw_back_short(session, restored, short, at)
    _pass_on(session, lot, lot.recovered - restored.recovered, at)
    return clawed_back


def _pass_on(session: WriteSession, lot: Lot, points: int, at: datetime) -> None:
    """Points that a return had taken out of other lots are the member's again: those lots may have gone short for it.

    They did where their own units came back later and what the return had taken was missing. So along the chain of
    lots that paid for each other's returns; each payment is a redemption of its own.
    """
    orders, looked_at = [lot.order_id], set[UUID]()
    while orders and points:
        order_id = orders.pop()
        if order_id is None or order_id in looked_at:
            continue
        looked_at.add(order_id)
        for payer in repository.lock_lots_clawed_for(session, lot.member_id, order_id):
            short = min(payer.short, points)
            if short:
                returns.recover_short(session, payer, short, at)
                points -= short
            orders.append(payer.order_id)
