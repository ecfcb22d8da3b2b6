"""The routes by which members subscribe to offers."""

from functools import partial
from uuid import UUID

from fastapi.responses import Response

from app.auth import Member
from app.errors import Conflict, NotEnough
from app.idempotency import OnlyOnce
from app.offers import subscriptions as subscribing
from app.offers.schemas import SubscriptionOut, SubscriptionsOut
from app.paging import ById
from app.problems import problems
from app.routing import Router
from app.wiring import Db, Time

router = Router(tags=["offers"])


@router.post(
    "/offers/{offer_id}/subscriptions",
    status_code=201,
    summary="Subscribe",
    response_model=SubscriptionOut,
    responses=problems(NotEnough, Conflict),
)
def subscribe_to_offer(offer_id: UUID, caller: Member, once: OnlyOnce) -> Response:
    """Subscribes to the offer: the first period is paid in points or charged in money, and renewal is automatic.

    The first time that a member subscribes to an offer, benefits begin at once. If the same member subscribes to it
    again later, they begin when the first period is paid. A cancelled subscription that still runs is resumed, at no
    cost until it renews.
    """
    return once(caller.key, lambda session: subscribing.subscribe(session, caller.subject, offer_id, once.clock))


@router.get("/subscriptions", summary="Your subscriptions")
def list_subscriptions(caller: Member, page: ById, db: Db) -> SubscriptionsOut:
    """Returns the caller's subscriptions in every state, also lapsed and ended ones."""
    with db.read() as session:
        shown = page.page(partial(subscribing.subscriptions, session, caller.subject), "subscription_id")
    return SubscriptionsOut(subscriptions=[SubscriptionOut.model_validate(row) for row in shown.rows], next=shown.next)


@router.delete("/subscriptions/{subscription_id}", summary="Cancel a subscription", responses=problems(Conflict))
def cancel_subscription(subscription_id: UUID, caller: Member, db: Db, clock: Time) -> SubscriptionOut:
    """Cancels the subscription, which runs until the paid period ends and does not renew."""
    with db.write() as session:
        return SubscriptionOut.model_validate(subscribing.cancel(session, caller.subject, subscription_id, clock))
