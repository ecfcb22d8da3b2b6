"""Spend points on an item, a part of an order, or cash back, and cancel redemptions."""

from dataclasses import replace
from uuid import UUID

from app import ledger
from app.clock import Clock
from app.db import WriteSession
from app.errors import BadInput, Conflict, FieldError, NotFound
from app.money import MOST_MINOR, points_worth, written
from app.offers import due
from app.offers import service as offers
from app.program import service as programs
from app.program.models import Program
from app.wallet import payments, undoing
from app.wallet import service as wallets
from app.wallet.models import Redemption, RedemptionKind
from app.wallet.states import REDEMPTION, RedemptionEvent


def item(session: WriteSession, member_id: UUID, offer_id: UUID, clock: Clock) -> Redemption:
    """Redeem an item. Raises NotFound, NotAllowed, Conflict, OutOfStock for the offer, NotEnough for the wallet."""
    due.write(session, member_id, clock.now())
    terms = offers.take_item(session, offer_id, member_id, clock)
    return _spend(session, member_id, RedemptionKind.ITEM, terms.points, clock, offer_id=offer_id)


def cash_back(session: WriteSession, member_id: UUID, points: int, clock: Clock) -> Redemption:
    """Redeem points for money. Raises BadInput if they are not worth a whole minor unit, NotEnough."""
    program = programs.program(session)
    amount = worth(program, points)
    due.write(session, member_id, clock.now())
    redemption = _spend(session, member_id, RedemptionKind.CASH_BACK, points, clock, amount_minor=amount)
    payments.pay_out(session, member_id, redemption.redemption_id, amount, program.currency, clock)
    return redemption


def at_checkout(
    session: WriteSession, member_id: UUID, order_id: UUID, points: int, amount_minor: int, clock: Clock
) -> None:
    """Pay a part of an order. The caller has written what is due in the wallet. Raises NotEnough."""
    _spend(session, member_id, RedemptionKind.CHECKOUT, points, clock, amount_minor=amount_minor, order_id=order_id)


def worth(program: Program, points: int, field: str = "points") -> int:
    """Return the worth of points in minor units. Raises BadInput if it is zero or not whole."""
    amount = points_worth(points, program.minor_per_100_points)
    if amount and amount > MOST_MINOR:
        message = f"{points} points are worth more than {written(MOST_MINOR, program.currency)}"
        raise BadInput(message, [FieldError(field, "too-many", "fewer at a time")])
    if not amount:
        message = f"{points} points are not worth a whole number of minor units of {program.currency}"
        hundred = written(program.minor_per_100_points, program.currency)
        raise BadInput(message, [FieldError(field, "not-whole", f"100 points are {hundred}")])
    return amount


def fulfil(session: WriteSession, redemption_id: UUID) -> Redemption:
    """Mark an item as handed out; it cannot be cancelled then. Raises NotFound, Conflict (also for cash back)."""
    redemption = _lock(session, redemption_id)
    if redemption.kind is RedemptionKind.CASH_BACK:
        raise Conflict(
            f"the redemption is {redemption.state}: cash back is fulfilled by its payment, say what became of that"
        )
    return _move(session, redemption, RedemptionEvent.FULFIL)


def paid(session: WriteSession, redemption_id: UUID) -> Redemption:
    """Mark a cash-back redemption as fulfilled, because its payment settled."""
    return _move(session, _lock(session, redemption_id), RedemptionEvent.FULFIL)


def cancel(session: WriteSession, redemption_id: UUID, clock: Clock, member_id: UUID | None = None) -> Redemption:
    """Give the points back into their lots, until the redemption is fulfilled or its payment is sent.

    Vendors first get points of which lots are short, because a return could not take them.

    Raises NotFound (also for another member's redemption), Conflict.
    """
    redemption = _lock(session, redemption_id, member_id)
    REDEMPTION.move(redemption.state, RedemptionEvent.CANCEL)
    payments.cancel_payout(session, redemption_id, clock)
    return _undo(session, redemption, RedemptionEvent.CANCEL, clock)


def undo_correction(session: WriteSession, redemption_id: UUID, clock: Clock) -> Redemption:
    """Give the points that a correction took back into their lots."""
    return _undo(session, _lock(session, redemption_id), RedemptionEvent.REVERSE, clock)


def payment_failed(session: WriteSession, redemption_id: UUID, clock: Clock) -> Redemption:
    """Give the points of failed cash back back to the member."""
    return _undo(session, _lock(session, redemption_id), RedemptionEvent.FAIL, clock)


def lock(session: WriteSession, redemption_id: UUID) -> None:
    """Lock a redemption until the transaction ends."""
    wallets.lock_redemption(session, redemption_id)


def _undo(session: WriteSession, redemption: Redemption, event: RedemptionEvent, clock: Clock) -> Redemption:
    state = REDEMPTION.move(redemption.state, event)
    due.write(session, redemption.member_id, clock.now())
    taken = undoing.undo(session, redemption, clock.now())
    due.write_now(session, {redemption.member_id: clock.now()})
    if redemption.kind is RedemptionKind.ITEM and redemption.offer_id:
        offers.put_back(session, redemption.offer_id)
    return _become(session, replace(redemption, state=state), event, clawed_back=taken)


def _lock(session: WriteSession, redemption_id: UUID, member_id: UUID | None = None) -> Redemption:
    redemption = wallets.lock_redemption(session, redemption_id)
    if redemption is None or (member_id or redemption.member_id) != redemption.member_id:
        raise NotFound(f"there is no redemption {redemption_id} of yours")
    return redemption


def _move(session: WriteSession, redemption: Redemption, event: RedemptionEvent) -> Redemption:
    return _become(session, replace(redemption, state=REDEMPTION.move(redemption.state, event)), event)


def _become(session: WriteSession, moved: Redemption, event: RedemptionEvent, *, clawed_back: int = 0) -> Redemption:
    """Store the redemption's new state; `clawed_back` points came back and went on to vendors."""
    allowed_states = REDEMPTION.was(event, moved.state)
    REDEMPTION.must_move(wallets.set_redemption_state(session, moved, allowed_states))
    ledger.append(session, "redemptions", moved.redemption_id, {**moved.__dict__, "clawed_back": clawed_back})
    return moved


def _spend(
    session: WriteSession,
    member_id: UUID,
    kind: RedemptionKind,
    points: int,
    clock: Clock,
    *,
    amount_minor: int | None = None,
    order_id: UUID | None = None,
    offer_id: UUID | None = None,
) -> Redemption:
    redemption = Redemption.made(
        member_id, kind, points, clock.now(), amount_minor=amount_minor, order_id=order_id, offer_id=offer_id
    )
    wallets.spend(session, redemption)
    return redemption
