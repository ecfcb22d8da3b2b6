"""Subscribing to an offer, and cancelling that."""

from dataclasses import replace
from uuid import UUID

from app import ledger
from app.clock import Clock, local_date
from app.db import Session, WriteSession
from app.errors import Conflict, NotFound
from app.ids import new_id
from app.offers import due, renewals, repository, service
from app.offers.models import Subscribed, Subscription
from app.offers.renewals import A_DAY
from app.offers.subscription_states import SubscriptionEvent, SubscriptionState
from app.program import service as programs
from app.wallet import payments


def subscribe(session: WriteSession, member_id: UUID, offer_id: UUID, clock: Clock) -> Subscribed:
    """Pay the first period in points, or be charged in money; a cancelled one that still runs is resumed for nothing.

    A member's first subscription to an offer is in grace until it is paid; each later one waits for its payment.

    Raises NotFound, Conflict (not a subscription, or running already), NotEnough.
    """
    due.write(session, member_id, clock.now())
    offer = service.offer(session, offer_id)
    service.must_run(offer, clock)
    if not isinstance(offer.terms, Subscription):
        raise Conflict(f"{offer.name} is not a subscription")
    earlier = [
        renewals.up_to_date(session, row, clock) for row in repository.lock_subscriptions(session, member_id, offer_id)
    ]
    running = renewals.running(earlier)
    if running:
        resumed = replace(running, due_on=running.paid_until)
        return renewals.move(session, resumed, SubscriptionEvent.RESUME)
    return _begin(session, member_id, offer_id, offer.terms, clock, again=bool(earlier))


def cancel(session: WriteSession, member_id: UUID, subscription_id: UUID, clock: Clock) -> Subscribed:
    """It runs on until what was paid is used up; what is not paid yet is no longer asked for. NotFound, Conflict."""
    due.write(session, member_id, clock.now())
    subscription = repository.subscription(session, subscription_id)
    if subscription is None or subscription.member_id != member_id:
        raise NotFound(f"you have no subscription {subscription_id}")
    subscription = renewals.up_to_date(session, subscription, clock)
    cancelled = renewals.move(session, subscription, SubscriptionEvent.CANCEL)
    payments.cancel_charges(session, subscription_id, clock)
    return cancelled


def subscriptions(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Subscribed]:
    return repository.subscriptions_of(session, member_id, after, limit)


def _begin(
    session: WriteSession, member_id: UUID, offer_id: UUID, terms: Subscription, clock: Clock, *, again: bool
) -> Subscribed:
    program = programs.program(session)
    today = local_date(clock.now(), program.zone)
    state = SubscriptionState.WAITING if again else SubscriptionState.GRACE
    begun = Subscribed(new_id(), member_id, offer_id, state, today, today, today + A_DAY)
    if terms.points is not None:
        begun = replace(renewals.paid(begun, terms, today), state=SubscriptionState.ACTIVE)
    repository.insert_subscription(session, begun)
    renewals.ask_to_pay(session, begun, terms, clock)
    ledger.append(session, "subscriptions", begun.subscription_id, begun)
    return begun
