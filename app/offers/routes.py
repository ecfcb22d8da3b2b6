"""The reward catalogue, the life of its offers, and subscribing to them."""

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
    """Pays the first period in points, or is charged in money, and renews by itself at midnight.

    A member's first is in grace until it is paid; a later one waits for its payment. A cancelled one that still runs is
    resumed, and costs nothing until it is due.
    """
    return once(caller.key, lambda session: subscribing.subscribe(session, caller.subject, offer_id, once.clock))


@router.get("/subscriptions", summary="Your subscriptions")
def list_subscriptions(caller: Member, asked: ById, db: Db) -> SubscriptionsOut:
    """Waiting for their first payment, running, cancelled, lapsed and ended."""
    with db.read() as session:
        page = asked.page(partial(subscribing.subscriptions, session, caller.subject), "subscription_id")
    return SubscriptionsOut(subscriptions=[SubscriptionOut.model_validate(row) for row in page.rows], next=page.next)


@router.delete("/subscriptions/{subscription_id}", summary="Cancel a subscription", responses=problems(Conflict))
def cancel_subscription(subscription_id: UUID, caller: Member, db: Db, clock: Time) -> SubscriptionOut:
    """It runs on until what was paid is used up."""
    with db.write() as session:
        return SubscriptionOut.model_validate(subscribing.cancel(session, caller.subject, subscription_id, clock))
