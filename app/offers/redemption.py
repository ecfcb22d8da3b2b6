"""Redeem points for an item, a part of an order, or cash back, and cancel redemptions."""

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
from app.wallet import cancelled_redemptions, payments
from app.wallet import service as wallets
from app.wallet.models import Redemption, RedemptionKind
from app.wallet.states import REDEMPTION, RedemptionEvent


def item(session: WriteSession, member_id: UUID, offer_id: UUID, clock: Clock) -> Redemption:
    """Redeem points for one unit of an item.

    Raises NotFound, Conflict (not an item, or not running), NotAllowed (not for this member), OutOfStock and NotEnough.
    """
    due.write(session, member_id, clock.now())
    terms = offers.take_item(session, offer_id, member_id, clock)
    redemption = Redemption.made(member_id, RedemptionKind.ITEM, terms.points, clock.now(), offer_id=offer_id)
    wallets.spend(session, redemption)
    return redemption


def cash_back(session: WriteSession, member_id: UUID, points: int, clock: Clock) -> Redemption:
    """Redeem points for money. Raises NotEnough, and BadInput if they are not worth a whole number of minor units."""
    program = programs.program(session)
    amount = worth(program, points)
    due.write(session, member_id, clock.now())
    redemption = Redemption.made(member_id, RedemptionKind.CASH_BACK, points, clock.now(), amount_minor=amount)
    wallets.spend(session, redemption)
    payments.pay_out(session, member_id, redemption.redemption_id, amount, program.currency, clock)
    return redemption


def at_checkout(
    session: WriteSession, member_id: UUID, order_id: UUID, points: int, amount_minor: int, clock: Clock
) -> None:
    """Pay a part of an order with points. The caller has applied the wallet's due changes. Raises NotEnough."""
    kind, now = RedemptionKind.CHECKOUT, clock.now()
    wallets.spend(session, Redemption.made(member_id, kind, points, now, amount_minor=amount_minor, order_id=order_id))


def worth(program: Program, points: int, field: str = "points") -> int:
    """Return the worth of points in minor units of money. Raises BadInput if zero, not whole, or above MOST_MINOR."""
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
    """Mark a redeemed item as handed out; it can't be cancelled any more.

    Raises NotFound, and Conflict if the redemption is cash back, cancelled, or fulfilled already.
    """
    redemption = _lock(session, redemption_id)
    if redemption.kind is RedemptionKind.CASH_BACK:
        raise Conflict(
            f"the redemption is {redemption.state}: cash back is fulfilled by its payment, say what became of that"
        )
    return _move(session, redemption, RedemptionEvent.FULFIL)


def paid(session: WriteSession, redemption_id: UUID) -> Redemption:
    """Mark a cash-back redemption as fulfilled after its payment settled. Raises NotFound, Conflict."""
    return _move(session, _lock(session, redemption_id), RedemptionEvent.FULFIL)


def cancel(session: WriteSession, redemption_id: UUID, clock: Clock, member_id: UUID | None = None) -> Redemption:
    """Cancel a redemption and put its points back into the lots from which they were drawn.

    If units were returned after their points were spent on this redemption, points that the return could not take go to
    the vendor, not to the member. Raises NotFound, also for another member's redemption, and Conflict if the redemption
    is fulfilled or its payment was sent.
    """
    redemption = _lock(session, redemption_id, member_id)
    REDEMPTION.move(redemption.state, RedemptionEvent.CANCEL)
    payments.cancel_payout(session, redemption_id, clock)
    return _undo(session, redemption, RedemptionEvent.CANCEL, clock)


def undo_correction(session: WriteSession, redemption_id: UUID, clock: Clock) -> Redemption:
    """Undo a correction that took points from a member: return the points to the lots from which they were taken."""
    return _undo(session, _lock(session, redemption_id), RedemptionEvent.REVERSE, clock)


def payment_failed(session: WriteSession, redemption_id: UUID, clock: Clock) -> Redemption:
    """Undo a cash-back redemption whose payment failed: return its points to the lots from which they were drawn."""
    return _undo(session, _lock(session, redemption_id), RedemptionEvent.FAIL, clock)


def _undo(session: WriteSession, redemption: Redemption, event: RedemptionEvent, clock: Clock) -> Redemption:
    state = REDEMPTION.move(redemption.state, event)
    due.write(session, redemption.member_id, clock.now())
    taken = cancelled_redemptions.undo(session, redemption, clock.now())
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
    """Store a redemption's new state, and append it to the ledger with the number of points that vendors got back."""
    allowed_states = REDEMPTION.was(event, moved.state)
    REDEMPTION.must_move(wallets.set_redemption_state(session, moved, allowed_states))
    ledger.append(session, "redemptions", moved.redemption_id, {**moved.__dict__, "clawed_back": clawed_back})
    return moved
