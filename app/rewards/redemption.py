"""Spending points outside an order: an item of the catalogue, or cash back."""

from uuid import UUID

from app.clock import Clock
from app.db import WriteSession
from app.errors import BadInput, FieldError
from app.ids import new_id
from app.money import points_worth
from app.offers import service as offers
from app.rewards import service
from app.rewards.models import Redemption, RedemptionKind, RedemptionState


def item(session: WriteSession, member_id: UUID, offer_id: UUID, clock: Clock) -> Redemption:
    """Raises NotFound, Conflict, OutOfStock of the offer; NotEnough of the wallet."""
    terms = offers.take_item(session, offer_id, clock)
    return _spend(session, member_id, RedemptionKind.ITEM, terms.points, clock, offer_id=offer_id)


def cash_back(session: WriteSession, member_id: UUID, points: int, clock: Clock) -> Redemption:
    """Pay points out as money. Raises BadInput where they are not worth a whole minor unit; NotEnough."""
    amount = worth(session, points)
    return _spend(session, member_id, RedemptionKind.CASH_BACK, points, clock, amount_minor=amount)


def at_checkout(session: WriteSession, member_id: UUID, order_id: UUID, points: int, clock: Clock) -> int:
    """Pay a part of an order; what the points paid, in minor units. Raises BadInput, NotEnough."""
    amount = worth(session, points)
    _spend(session, member_id, RedemptionKind.CHECKOUT, points, clock, amount_minor=amount, order_id=order_id)
    return amount


def worth(session: WriteSession, points: int) -> int:
    """What points are worth in minor units. Raises BadInput where that is not whole, or nothing."""
    program = service.program(session)
    amount = points_worth(points, program.minor_per_100_points)
    if not amount:
        said = f"{points} points are not worth a whole number of minor units of {program.currency}"
        raise BadInput(said, [FieldError("points", "not-whole", f"100 points are {program.minor_per_100_points}")])
    return amount


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
    requested = kind in (RedemptionKind.ITEM, RedemptionKind.CASH_BACK)
    redemption = Redemption(
        redemption_id=new_id(),
        member_id=member_id,
        kind=kind,
        state=RedemptionState.REQUESTED if requested else RedemptionState.FULFILLED,
        points=points,
        amount_minor=amount_minor,
        order_id=order_id,
        offer_id=offer_id,
        redeemed_at=clock.now(),
    )
    service.spend(session, redemption)
    return redemption
