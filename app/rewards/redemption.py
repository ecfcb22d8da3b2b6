"""Spending points: an item of the catalogue, a part of an order, or cash back; and taking a redemption back."""

from dataclasses import replace
from uuid import UUID

from app import ledger
from app.clock import Clock
from app.db import WriteSession
from app.errors import BadInput, Conflict, FieldError, NotFound
from app.money import points_worth
from app.offers import service as offers
from app.rewards import payments, repository, service
from app.rewards.models import Account, Posting, Program, Redemption, RedemptionKind, RedemptionState


def item(session: WriteSession, member_id: UUID, offer_id: UUID, clock: Clock) -> Redemption:
    """Raises NotFound, NotAllowed, Conflict, OutOfStock of the offer; NotEnough of the wallet."""
    terms = offers.take_item(session, offer_id, member_id, clock)
    return _spend(session, member_id, RedemptionKind.ITEM, terms.points, clock, offer_id=offer_id)


def cash_back(session: WriteSession, member_id: UUID, points: int, clock: Clock) -> Redemption:
    """Instruct to pay points out as money. Raises BadInput where they are not worth a whole minor unit; NotEnough."""
    program = service.program(session)
    amount = worth(program, points)
    made = _spend(session, member_id, RedemptionKind.CASH_BACK, points, clock, amount_minor=amount)
    payments.pay_out(session, member_id, made.redemption_id, amount, program.currency, clock)
    return made


def at_checkout(
    session: WriteSession, member_id: UUID, order_id: UUID, points: int, amount_minor: int, clock: Clock
) -> None:
    """Pay a part of an order. Raises NotEnough."""
    _spend(session, member_id, RedemptionKind.CHECKOUT, points, clock, amount_minor=amount_minor, order_id=order_id)


def worth(program: Program, points: int, field: str = "points") -> int:
    """What points are worth in minor units. Raises BadInput where that is not whole, or nothing."""
    amount = points_worth(points, program.minor_per_100_points)
    if not amount:
        said = f"{points} points are not worth a whole number of minor units of {program.currency}"
        raise BadInput(said, [FieldError(field, "not-whole", f"100 points are {program.minor_per_100_points}")])
    return amount


def fulfil(session: WriteSession, redemption_id: UUID) -> Redemption:
    """An item was handed out, a payment settled: it can't be cancelled any more. Raises NotFound, Conflict."""
    found = _requested(session, redemption_id)
    return _become(session, found, RedemptionState.FULFILLED)


def cancel(session: WriteSession, redemption_id: UUID, clock: Clock, member_id: UUID | None = None) -> Redemption:
    """Give the points back into the lots they came from, until it is fulfilled or its payment is on its way.

    Raises NotFound (another member's too), Conflict.
    """
    found = _requested(session, redemption_id, member_id)
    payments.cancel_payout(session, redemption_id, clock)
    return _undo(session, found, clock)


def payment_failed(session: WriteSession, redemption_id: UUID, clock: Clock) -> Redemption:
    """Cash back that did not arrive: the member has the points again."""
    return _undo(session, _requested(session, redemption_id), clock)


def _undo(session: WriteSession, found: Redemption, clock: Clock) -> Redemption:
    repository.lock_wallet(session, found.member_id)
    repository.undo_draws(session, found.redemption_id)
    repository.change_wallet(session, found.member_id, available=found.points)
    given_back = Posting(Account.MEMBER_AVAILABLE, found.member_id, found.points)
    taken = Posting(Account.PROGRAM_LIABILITY, None, -found.points)
    repository.post(session, "cancellation", [given_back, taken], clock.now(), movement_id=found.redemption_id)
    if found.kind is RedemptionKind.ITEM and found.offer_id:
        offers.put_back(session, found.offer_id)
    return _become(session, found, RedemptionState.CANCELLED)


def _requested(session: WriteSession, redemption_id: UUID, member_id: UUID | None = None) -> Redemption:
    found = repository.lock_redemption(session, redemption_id)
    if found is None or (member_id or found.member_id) != found.member_id:
        raise NotFound(f"there is no redemption {redemption_id} of yours")
    if found.state is not RedemptionState.REQUESTED:
        raise Conflict(f"the redemption is {found.state} already")
    return found


def _become(session: WriteSession, found: Redemption, state: RedemptionState) -> Redemption:
    changed = replace(found, state=state)
    repository.set_redemption_state(session, changed)
    ledger.append(session, "redemptions", changed.redemption_id, changed)
    return changed


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
    service.spend(session, redemption)
    return redemption
