"""Subscribe to offers, and cancel subscriptions."""

from dataclasses import replace
from uuid import UUID

from app import ledger
from app.clock import Clock, local_date
from app.db import WriteSession
from app.errors import Conflict, NotFound
from app.ids import new_id
from app.offers import due, renewals, repository, service
from app.offers.models import Subscribed, Subscription
from app.offers.renewals import A_DAY
from app.offers.subscription_states import SubscriptionEvent, SubscriptionState
from app.program import service as programs
from app.wallet import payments

subscriptions = repository.subscriptions_of
ids_of = repository.subscription_ids_of


def subscribe(session: WriteSession, member_id: UUID, offer_id: UUID, clock: Clock) -> Subscribed:
    """Start a subscription and pay its first period, or resume a cancelled one that still runs, at no cost.

    Benefits begin at once if the member subscribes to the offer for the first time, else when the first period is paid.
    Raises NotFound, Conflict (not a subscription, not running, or subscribed already), NotEnough.
    """
    due.write(session, member_id, clock.now())
    offer = service.offer(session, offer_id)
    service.must_run(offer, clock)
    if not isinstance(offer.terms, Subscription):
        raise Conflict(f"{offer.name} is not a subscription")
    earlier = [
        renewals.up_to_date(session, row, clock) for row in repository.lock_subscriptions(session, member_id, offer_id)
    ]
    if running := renewals.running(earlier):
        resumed = replace(running, due_on=running.paid_until)
        return renewals.move(session, resumed, SubscriptionEvent.RESUME)
    return _begin(session, member_id, offer_id, offer.terms, clock, again=bool(earlier))


def cancel(session: WriteSession, member_id: UUID, subscription_id: UUID, clock: Clock) -> Subscribed:
    """Cancel a subscription, and its charges that were not sent. It still runs until the paid period ends.

    Raises NotFound, also for another member's subscription, and Conflict if it is cancelled or over already.
    """
    due.write(session, member_id, clock.now())
    subscription = repository.lock_subscription(session, subscription_id)
    if subscription is None or subscription.member_id != member_id:
        raise NotFound(f"you have no subscription {subscription_id}")
    subscription = renewals.up_to_date(session, subscription, clock)
    cancelled = renewals.move(session, subscription, SubscriptionEvent.CANCEL)
    payments.cancel_charges(session, subscription_id, clock)
    return cancelled


def _begin(
    session: WriteSession, member_id: UUID, offer_id: UUID, terms: Subscription, clock: Clock, *, again: bool
) -> Subscribed:
    program = programs.program(session)
    today = local_date(clock.now(), program.zone)
    state = SubscriptionState.WAITING if again else SubscriptionState.GRACE
    subscription = Subscribed(new_id(), member_id, offer_id, state, today, today, today + A_DAY)
    if terms.points is not None:
        subscription = replace(renewals.paid(subscription, terms, today), state=SubscriptionState.ACTIVE)
    repository.insert_subscription(session, subscription)
    renewals.ask_to_pay(session, subscription, terms, clock)
    ledger.append(session, "subscriptions", subscription.subscription_id, subscription)
    return subscription
