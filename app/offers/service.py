"""What the reward catalogue offers, and the life of subscriptions."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from app import ledger
from app.clock import Clock, local_date
from app.db import Session, WriteSession
from app.errors import BadInput, Conflict, FieldError, NotEnough, NotFound, OutOfStock
from app.ids import new_id
from app.offers import repository
from app.offers.models import Item, Offer, Period, Subscribed, Subscription, SubscriptionState
from app.rewards import service as rewards
from app.rewards.models import Boost, Redemption, RedemptionKind, RedemptionState


def add(session: WriteSession, offer: Offer) -> Offer:
    """Raises BadInput where it ends before it starts, or where stock is given for what has none."""
    if offer.starts_at >= offer.ends_at:
        raise BadInput(
            "an offer ends after it starts", [FieldError("ends_at", "before-start", "must be after starts_at")]
        )
    if (offer.on_hand is not None) != isinstance(offer.terms, Item):
        raise BadInput(
            "an item needs on_hand, other offers have none", [FieldError("on_hand", "item-only", "items only")]
        )
    repository.insert(session, offer)
    ledger.append(session, "offers", offer.offer_id, {**offer.__dict__, "terms": offer.terms.model_dump(mode="json")})
    return offer


def running(session: Session, clock: Clock) -> list[Offer]:
    return repository.running(session, clock.now())


def offer(session: Session, offer_id: UUID) -> Offer:
    """Raises NotFound."""
    found = repository.offer(session, offer_id)
    if found is None:
        raise NotFound(f"there is no offer {offer_id}")
    return found


@dataclass(frozen=True)
class Boosting:
    """What multiplies earning in some span of time: promotions for everyone, subscriptions for who paid."""

    promotions: list[Offer]
    subscribed: list[tuple[UUID, date, Offer]]

    def of(self, member_id: UUID, at: datetime, today: date) -> list[Boost]:
        """Everything that multiplies what this member earns then."""
        running = [offer for offer in self.promotions if offer.starts_at <= at < offer.ends_at]
        running += [offer for who, until, offer in self.subscribed if who == member_id and today < until]
        found = (offer.terms.boost(offer.offer_id, offer.name) for offer in running)
        return [boost for boost in found if boost]


def boosting(session: Session, member_ids: Sequence[UUID], first: datetime, last: datetime) -> Boosting:
    """For these members, in that span."""
    rows = repository.boosting(session, member_ids, first, last)
    return Boosting(
        promotions=[offer for who, _, offer in rows if who is None],
        subscribed=[(who, until, offer) for who, until, offer in rows if who is not None and until is not None],
    )


def take_item(session: WriteSession, offer_id: UUID, clock: Clock) -> Item:
    """Take one off the shelf. Raises NotFound, Conflict (not an item, or not running), OutOfStock."""
    found = offer(session, offer_id)
    _must_run(found, clock)
    if not isinstance(found.terms, Item):
        raise Conflict(f"{found.name} is a {found.terms.kind}, not an item")
    if not repository.take_stock(session, offer_id, 1):
        raise OutOfStock(f"{found.name} is gone")
    return found.terms


def _must_run(found: Offer, clock: Clock) -> None:
    if not found.starts_at <= clock.now() < found.ends_at:
        raise Conflict(f"{found.name} runs from {found.starts_at:%Y-%m-%d} to {found.ends_at:%Y-%m-%d}")


def subscribe(session: WriteSession, member_id: UUID, offer_id: UUID, clock: Clock) -> Subscribed:
    """Pay the first period in points. Raises NotFound, Conflict (not a subscription, or running already), NotEnough."""
    found = offer(session, offer_id)
    _must_run(found, clock)
    if not isinstance(found.terms, Subscription):
        raise Conflict(f"{found.name} is not a subscription")
    today = local_date(clock.now(), rewards.program(session).zone)
    subscribed = Subscribed(
        subscription_id=new_id(),
        member_id=member_id,
        offer_id=offer_id,
        state=SubscriptionState.ACTIVE,
        started_on=today,
        paid_until=period_end(today, today, found.terms.period),
    )
    _pay(session, subscribed, found.terms, clock)
    repository.insert_subscription(session, subscribed)
    ledger.append(session, "subscriptions", subscribed.subscription_id, subscribed)
    return subscribed


def cancel(session: WriteSession, member_id: UUID, subscription_id: UUID) -> Subscribed:
    """It runs on until what was paid is used up. Raises NotFound, Conflict."""
    found = repository.subscription(session, subscription_id)
    if found is None or found.member_id != member_id:
        raise NotFound(f"you have no subscription {subscription_id}")
    if found.state is not SubscriptionState.ACTIVE:
        raise Conflict(f"the subscription is {found.state} already")
    return _become(session, replace(found, state=SubscriptionState.CANCELLED))


def subscriptions(session: Session, member_id: UUID) -> list[Subscribed]:
    return repository.subscriptions_of(session, member_id)


def due(session: Session, on: date, limit: int) -> list[UUID]:
    """Subscriptions whose paid time is over on that day."""
    return repository.due(session, on, limit)


def renew(session: WriteSession, subscription_id: UUID, on: date, clock: Clock) -> SubscriptionState | None:
    """Pay the next period, or let it lapse: cancelled, or not enough points. None where another run already did."""
    found = repository.subscription(session, subscription_id)
    if found is None or found.state is SubscriptionState.LAPSED or found.paid_until > on:
        return None
    terms = offer(session, found.offer_id).terms
    assert isinstance(terms, Subscription)  # noqa: S101  subscribe() let nothing else in
    if found.state is SubscriptionState.CANCELLED:
        return _become(session, replace(found, state=SubscriptionState.LAPSED)).state
    try:
        _pay(session, found, terms, clock)
    except NotEnough:
        return _become(session, replace(found, state=SubscriptionState.LAPSED)).state
    paid_until = period_end(found.started_on, found.paid_until, terms.period)
    return _become(session, replace(found, paid_until=paid_until)).state


def period_end(started_on: date, paid_until: date, period: Period) -> date:
    """One period after `paid_until`, on the day of month that the subscription started on, or the month's last."""
    months = paid_until.year * 12 + paid_until.month - 1 + (12 if period is Period.YEAR else 1)
    year, month = divmod(months, 12)
    return date(year, month + 1, min(started_on.day, monthrange(year, month + 1)[1]))


def _pay(session: WriteSession, subscribed: Subscribed, terms: Subscription, clock: Clock) -> None:
    rewards.spend(
        session,
        Redemption(
            redemption_id=new_id(),
            member_id=subscribed.member_id,
            kind=RedemptionKind.SUBSCRIPTION,
            state=RedemptionState.FULFILLED,
            points=terms.points,
            amount_minor=None,
            order_id=None,
            offer_id=subscribed.offer_id,
            redeemed_at=clock.now(),
        ),
    )


def _become(session: WriteSession, changed: Subscribed) -> Subscribed:
    repository.update_subscription(session, changed)
    ledger.append(session, "subscriptions", changed.subscription_id, changed)
    return changed
