"""The life of a subscription: paid each period in points or money, in grace while payment is awaited, then lapsed.

A month that was paid runs to its end whatever happens; cancelling only means that it is the last.
"""

from calendar import monthrange
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

from app import ledger
from app.clock import Clock, local_date
from app.db import Session, WriteSession
from app.errors import Conflict, NotEnough, NotFound
from app.ids import new_id
from app.offers import repository, service
from app.offers.models import Period, Subscribed, Subscription, SubscriptionState
from app.rewards import payments
from app.rewards import service as rewards
from app.rewards.models import Redemption, RedemptionKind


def subscribe(session: WriteSession, member_id: UUID, offer_id: UUID, clock: Clock) -> Subscribed:
    """Pay the first period in points, or be asked to pay it in money, in grace until then.

    Raises NotFound, Conflict (not a subscription, or running already), NotEnough.
    """
    found = service.offer(session, offer_id)
    service.must_run(found, clock)
    if not isinstance(found.terms, Subscription):
        raise Conflict(f"{found.name} is not a subscription")
    today = local_date(clock.now(), rewards.program(session).zone)
    begun = Subscribed(new_id(), member_id, offer_id, SubscriptionState.GRACE, today, today, today + timedelta(days=1))
    repository.insert_subscription(session, begun)
    return _become(session, _pay(session, begun, found.terms, clock))


def cancel(session: WriteSession, member_id: UUID, subscription_id: UUID, clock: Clock) -> Subscribed:
    """It runs on until what was paid is used up; what is not paid yet is no longer asked for. NotFound, Conflict."""
    found = repository.subscription(session, subscription_id)
    if found is None or found.member_id != member_id:
        raise NotFound(f"you have no subscription {subscription_id}")
    if found.state not in (SubscriptionState.ACTIVE, SubscriptionState.GRACE):
        raise Conflict(f"the subscription is {found.state} already")
    payments.cancel_charges(session, subscription_id, clock)
    running = found.state is SubscriptionState.ACTIVE
    return _become(session, replace(found, state=SubscriptionState.CANCELLED if running else SubscriptionState.LAPSED))


def end_all(session: WriteSession, member_id: UUID, clock: Clock) -> None:
    """End whatever an erased member subscribed to; charges that were not sent are called off."""
    for subscribed in repository.subscriptions_of(session, member_id, None, 10_000):
        if subscribed.state is not SubscriptionState.LAPSED:
            payments.cancel_charges(session, subscribed.subscription_id, clock)
            _become(session, replace(subscribed, state=SubscriptionState.LAPSED))


def subscriptions(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Subscribed]:
    """A member's, oldest first."""
    return repository.subscriptions_of(session, member_id, after, limit)


def due(session: Session, on: date, limit: int) -> list[UUID]:
    """Subscriptions that the midnight of that day looks at."""
    return repository.due(session, on, limit)


def renew(session: WriteSession, subscription_id: UUID, on: date, clock: Clock) -> SubscriptionState | None:
    """Pay the next period, wait for it in grace, or lapse. None where another run already did."""
    found = repository.subscription(session, subscription_id)
    if found is None or found.state is SubscriptionState.LAPSED or found.due_on > on:
        return None
    terms = service.offer(session, found.offer_id).terms
    assert isinstance(terms, Subscription)  # noqa: S101  subscribe() let nothing else in
    if found.state is SubscriptionState.CANCELLED:
        return _become(session, replace(found, state=SubscriptionState.LAPSED)).state
    return _become(session, _renewed(session, found, terms, on, clock)).state


def _renewed(session: WriteSession, found: Subscribed, terms: Subscription, on: date, clock: Clock) -> Subscribed:
    if on >= found.paid_until + timedelta(days=terms.grace_days) and found.state is SubscriptionState.GRACE:
        payments.cancel_charges(session, found.subscription_id, clock)
        return replace(found, state=SubscriptionState.LAPSED)
    try:
        return _pay(session, replace(found, due_on=on + timedelta(days=1)), terms, clock)
    except NotEnough:
        state = SubscriptionState.GRACE if terms.grace_days else SubscriptionState.LAPSED
        return replace(found, state=state, due_on=on + timedelta(days=1))


def settled(session: WriteSession, subscription_id: UUID) -> None:
    """A charge was paid: the next period runs, also where the days of grace were over by then."""
    found = repository.subscription(session, subscription_id)
    assert found is not None  # noqa: S101  its charge names it
    terms = service.offer(session, found.offer_id).terms
    assert isinstance(terms, Subscription)  # noqa: S101  subscribe() let nothing else in
    _become(session, _paid(found, terms))


def _pay(session: WriteSession, found: Subscribed, terms: Subscription, clock: Clock) -> Subscribed:
    """Pay a period in points, or ask for money, once; raises NotEnough."""
    if terms.price_minor is not None:
        currency = rewards.program(session).currency
        payments.charge(session, found.member_id, found.subscription_id, terms.price_minor, currency, clock)
        return replace(found, state=SubscriptionState.GRACE)
    assert terms.points is not None  # noqa: S101  terms have one price
    kind, now = RedemptionKind.SUBSCRIPTION, clock.now()
    rewards.spend(session, Redemption.made(found.member_id, kind, terms.points, now, offer_id=found.offer_id))
    return _paid(found, terms)


def _paid(found: Subscribed, terms: Subscription) -> Subscribed:
    until = period_end(found.started_on, found.paid_until, terms.period)
    return replace(found, state=SubscriptionState.ACTIVE, paid_until=until, due_on=until)


def period_end(started_on: date, paid_until: date, period: Period) -> date:
    """One period after `paid_until`, on the day of month that the subscription started on, or the month's last."""
    months = paid_until.year * 12 + paid_until.month - 1 + (12 if period is Period.YEAR else 1)
    year, month = divmod(months, 12)
    return date(year, month + 1, min(started_on.day, monthrange(year, month + 1)[1]))


def _become(session: WriteSession, changed: Subscribed) -> Subscribed:
    repository.update_subscription(session, changed)
    ledger.append(session, "subscriptions", changed.subscription_id, changed)
    return changed
