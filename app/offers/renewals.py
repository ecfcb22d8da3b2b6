"""Renew subscriptions: on its due day, a subscription pays for the next period, awaits payment, or ends."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo

from app import ledger
from app.clock import Clock, local_date
from app.db import Session, WriteSession
from app.errors import NotEnough
from app.offers import repository, service
from app.offers.models import Offer, Period, Subscribed, Subscription
from app.offers.subscription_states import OVER, SUBSCRIPTION, SubscriptionEvent, SubscriptionState
from app.program import service as programs
from app.wallet import payments
from app.wallet import service as wallets
from app.wallet.models import Redemption, RedemptionKind

A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Renewal:
    """A due subscription that is paid in points, with its offer."""

    subscribed: Subscribed
    offer: Offer

    @property
    def runs(self) -> bool:
        return self.subscribed.state not in OVER

    def on(self, day: date, available: int, zone: ZoneInfo) -> tuple[Self, int]:
        """Renew or end the subscription on a day; return the new Renewal and how many `available` points were spent."""
        terms = self.offer.terms
        assert isinstance(terms, Subscription) and terms.points  # noqa: S101, PT018  renewals() returns no others
        event = _over_at(self.subscribed, self.offer, terms, day, zone)
        if event is None and terms.points <= available:
            renewed = replace(paid(self.subscribed, terms, day), state=SubscriptionState.ACTIVE)
            return replace(self, subscribed=renewed), terms.points
        state = SUBSCRIPTION.move(self.subscribed.state, event or _unpaid(terms))
        return replace(self, subscribed=replace(self.subscribed, state=state, due_on=day + A_DAY)), 0


def renewals(session: Session, member_id: UUID, today: date) -> list[Renewal]:
    """Return a member's subscriptions that are paid in points and due on `today` or before."""
    waiting = repository.due_of(session, member_id, today)
    offers = [(subscribed, service.offer(session, subscribed.offer_id)) for subscribed in waiting]
    return [
        Renewal(subscribed, offer)
        for subscribed, offer in offers
        if isinstance(offer.terms, Subscription) and offer.terms.points
    ]


def _over_at(
    subscription: Subscribed, offer: Offer, terms: Subscription, on: date, zone: ZoneInfo, *, charged: bool = False
) -> SubscriptionEvent | None:
    """Return the event that ends a due subscription, or None if it continues.

    `charged` means that a charge is open: the subscription then continues even if its offer has ended.
    """
    if subscription.state is SubscriptionState.CANCELLED:
        return SubscriptionEvent.USE_UP
    awaited = subscription.state is not SubscriptionState.ACTIVE
    if awaited and on >= subscription.paid_until + timedelta(days=terms.grace_days):
        return SubscriptionEvent.GIVE_UP
    if not charged and not service.runs_at_midnight(offer, on, zone):
        return SubscriptionEvent.END_WITH_OFFER
    return None


def _unpaid(terms: Subscription) -> SubscriptionEvent:
    return SubscriptionEvent.AWAIT_PAYMENT if terms.grace_days else SubscriptionEvent.GIVE_UP


def end_all(session: WriteSession, member_id: UUID, clock: Clock) -> None:
    """End an erased member's subscriptions, and cancel charges that were not sent."""
    for subscription in repository.lock_subscriptions(session, member_id):
        if SUBSCRIPTION.allows(subscription.state, SubscriptionEvent.ERASE):
            move(session, subscription, SubscriptionEvent.ERASE)
            payments.cancel_charges(session, subscription.subscription_id, clock)


# Functions of the repository that other modules use as they are.
lock_subscriber = repository.lock_subscriber
lock = repository.lock_subscription
due = repository.due


def due_of(session: Session, member_id: UUID, on: date) -> list[UUID]:
    """Return the ids of a member's subscriptions that are due on the day `on` or before."""
    return [subscribed.subscription_id for subscribed in repository.due_of(session, member_id, on)]


def renew(session: WriteSession, subscription_id: UUID, on: date, clock: Clock) -> SubscriptionState | None:
    """Renew a due subscription: pay the next period, await payment, or end it. Returns the state; None if not due."""
    subscription = repository.lock_subscription(session, subscription_id)
    if subscription is None or subscription.state in OVER or subscription.due_on > on:
        return None
    return _midnight(session, subscription, on, clock).state


def settled(session: WriteSession, subscription_id: UUID, clock: Clock) -> bool:
    """Extend a subscription by the period that a settled charge paid for. Returns False if the charge must be refunded.

    If the subscription has lapsed and the member runs another one to the same offer, the running one is extended
    instead. If the member runs none, the lapsed one runs for one period from today and does not renew.
    """
    subscription = repository.lock_subscription(session, subscription_id)
    assert subscription is not None  # noqa: S101  the charge refers to it
    subscription = up_to_date(session, subscription, clock)
    if subscription.state is SubscriptionState.LAPSED:
        others = repository.lock_subscriptions(session, subscription.member_id, subscription.offer_id)
        payable = running([up_to_date(session, other, clock) for other in others])
        subscription = payable if payable and _may_be_paid(payable) else subscription
    if not _may_be_paid(subscription):
        return False
    today = local_date(clock.now(), programs.program(session).zone)
    move(session, paid(subscription, _terms(session, subscription), today), SubscriptionEvent.PAY)
    payments.cancel_charges(session, subscription.subscription_id, clock)
    return True


def _may_be_paid(subscription: Subscribed) -> bool:
    return SUBSCRIPTION.allows(subscription.state, SubscriptionEvent.PAY)


def running(subscriptions: Sequence[Subscribed]) -> Subscribed | None:
    """Return the running subscription or None; of several, one that renews, else that with the latest `paid_until`."""
    running = [row for row in subscriptions if row.state not in OVER]
    return max(running, key=lambda row: (row.state is not SubscriptionState.CANCELLED, row.paid_until), default=None)


def up_to_date(session: WriteSession, subscription: Subscribed, clock: Clock) -> Subscribed:
    """Renew a subscription on each of its due days until today, and return it."""
    today = local_date(clock.now(), programs.program(session).zone)
    while subscription.state not in OVER and subscription.due_on <= today:
        subscription = _midnight(session, subscription, subscription.due_on, clock)
    return subscription


def _midnight(session: WriteSession, subscription: Subscribed, on: date, clock: Clock) -> Subscribed:
    offer = service.offer(session, subscription.offer_id)
    terms = _terms(session, subscription)
    charged = bool(payments.open_charges(session, subscription.subscription_id))
    event = _over_at(subscription, offer, terms, on, programs.program(session).zone, charged=charged)
    if event is None:
        return _renewed(session, subscription, terms, on, clock)
    if event is SubscriptionEvent.GIVE_UP:
        payments.cancel_charges(session, subscription.subscription_id, clock)
    return move(session, subscription, event)


def _renewed(
    session: WriteSession, subscription: Subscribed, terms: Subscription, on: date, clock: Clock
) -> Subscribed:
    tomorrow = replace(subscription, due_on=on + A_DAY)
    try:
        ask_to_pay(session, subscription, terms, clock)
    except NotEnough:
        return move(session, tomorrow, _unpaid(terms))
    if terms.points is None:
        return move(session, tomorrow, SubscriptionEvent.AWAIT_PAYMENT)
    return move(session, paid(subscription, terms, on), SubscriptionEvent.PAY)


def ask_to_pay(session: WriteSession, subscription: Subscribed, terms: Subscription, clock: Clock) -> None:
    """Take a period's price from the wallet if it is in points, else request a charge. Raises NotEnough (points)."""
    member_id, offer_id = subscription.member_id, subscription.offer_id
    if terms.points is not None:
        kind, now = RedemptionKind.SUBSCRIPTION, clock.now()
        wallets.spend(session, Redemption.made(member_id, kind, terms.points, now, offer_id=offer_id))
    elif terms.price_minor is not None:
        currency = programs.program(session).currency
        payments.charge(session, member_id, subscription.subscription_id, terms.price_minor, currency, clock)


def paid(subscription: Subscribed, terms: Subscription, on: date) -> Subscribed:
    """Return the subscription with one more paid period, which follows the last one or, after a gap, begins on `on`."""
    if subscription.state not in (SubscriptionState.WAITING, SubscriptionState.LAPSED):
        until = period_end(subscription.started_on, subscription.paid_until, terms.period)
        if until > on:
            return replace(subscription, paid_until=until, due_on=until)
    until = period_end(on, on, terms.period)
    return replace(subscription, started_on=on, paid_until=until, due_on=until)


def period_end(started_on: date, paid_until: date, period: Period) -> date:
    """Return when the period after `paid_until` ends: `started_on`'s day of the month, in short months the last day."""
    months = paid_until.year * 12 + paid_until.month - 1 + (12 if period is Period.YEAR else 1)
    year, month = divmod(months, 12)
    return date(year, month + 1, min(started_on.day, monthrange(year, month + 1)[1]))


def _terms(session: Session, subscription: Subscribed) -> Subscription:
    terms = service.offer(session, subscription.offer_id).terms
    assert isinstance(terms, Subscription)  # noqa: S101  subscribe() accepts no others
    return terms


def move(session: WriteSession, subscription: Subscribed, event: SubscriptionEvent) -> Subscribed:
    """Store and return a subscription in the state to which the event leads. Raises WrongState."""
    state = SUBSCRIPTION.move(subscription.state, event)
    due_on = date.max if state is SubscriptionState.ENDED else subscription.due_on
    moved = replace(subscription, state=state, due_on=due_on)
    SUBSCRIPTION.must_move(repository.update_subscription(session, moved, SUBSCRIPTION.was(event, state)))
    ledger.append(session, "subscriptions", moved.subscription_id, moved)
    return moved
