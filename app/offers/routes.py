"""The reward catalogue, and subscribing to what it offers."""

from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Union
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from app.auth import Admin, Member
from app.db import WriteSession
from app.errors import Conflict, NotEnough, NotFound
from app.idempotency import OnlyOnce
from app.ids import new_id
from app.offers import service
from app.offers import subscriptions as life
from app.offers.models import Offer
from app.offers.models import Terms as AnyTerms
from app.offers.subscription_states import SubscriptionState
from app.paging import ById, Next
from app.problems import problems
from app.rewards import service as rewards
from app.routing import Router
from app.text import Name, NotFormula, Prose
from app.times import Day, Instant, begin_of
from app.wiring import Db, Time

router = Router(tags=["offers"])


if TYPE_CHECKING:
    Terms = AnyTerms
else:  # every kind that there is, told apart by `kind`
    Terms = Annotated[Union[tuple(AnyTerms.KINDS.values())], Field(discriminator="kind")]  # noqa: UP007


class OfferIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "Coffee mug",
                    "starts_at": "2026-01-01T00:00:00Z",
                    "ends_at": "2027-01-01T00:00:00Z",
                    "terms": {"kind": "item", "points": 40},
                    "on_hand": 100,
                }
            ]
        },
    )
    name: Name
    description: Annotated[Prose, Field(max_length=2_000), NotFormula] = ""
    starts_at: Instant | Day = Field(description="a day is its first moment in the program's time zone")
    ends_at: Instant | Day = Field(description="the offer runs until just before")
    terms: Terms
    on_hand: int | None = Field(None, ge=0, strict=True, description="items only: how many there are")

    def offer(self, zone: ZoneInfo) -> Offer:
        begin, end = (begin_of(at, zone) for at in (self.starts_at, self.ends_at))
        return Offer(new_id(), self.name, self.description, begin, end, self.terms, self.on_hand)


class OfferOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    offer_id: UUID
    name: str
    description: str
    starts_at: datetime
    ends_at: datetime
    terms: Terms
    on_hand: int | None


class OffersOut(BaseModel):
    offers: list[OfferOut]
    next: Next


class SubscriptionOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    subscription_id: UUID
    offer_id: UUID
    state: SubscriptionState
    started_on: date
    paid_until: date = Field(description="renewed at this day's midnight")


class SubscriptionsOut(BaseModel):
    subscriptions: list[SubscriptionOut]
    next: Next


@router.get("/offers", summary="The reward catalogue")
def offers(asked: ById, db: Db, clock: Time) -> OffersOut:
    """What runs now: promotions, subscriptions and items to redeem."""
    with db.read() as session:
        page = asked.page(partial(service.running, session, clock), "offer_id")
    return OffersOut(offers=[OfferOut.model_validate(offer) for offer in page.rows], next=page.next)


@router.post("/offers", status_code=201, summary="Add an offer", response_model=OfferOut)
def add(asked: OfferIn, caller: Admin, once: OnlyOnce) -> Response:
    """A promotion, a subscription or an item, told apart by the terms' kind."""

    def work(session: WriteSession) -> OfferOut:
        return OfferOut.model_validate(service.add(session, asked.offer(rewards.program(session).zone)))

    return once(caller.key, work)


@router.post(
    "/offers/{offer_id}/subscriptions",
    status_code=201,
    summary="Subscribe",
    response_model=SubscriptionOut,
    responses=problems(NotFound, NotEnough, Conflict),
)
def subscribe(offer_id: UUID, caller: Member, once: OnlyOnce) -> Response:
    """Pays the first period in points, or is charged in money, and renews by itself at midnight.

    A member's first is in grace until it is paid; a later one waits for its payment. A cancelled one that still runs is
    resumed, and costs nothing until it is due.
    """
    return once(
        caller.key,
        lambda session: SubscriptionOut.model_validate(life.subscribe(session, caller.subject, offer_id, once.clock)),
    )


@router.get("/subscriptions", summary="Your subscriptions")
def subscriptions(caller: Member, asked: ById, db: Db) -> SubscriptionsOut:
    """Waiting for their first payment, running, cancelled, lapsed and ended."""
    with db.read() as session:
        page = asked.page(partial(life.subscriptions, session, caller.subject), "subscription_id")
    return SubscriptionsOut(subscriptions=[SubscriptionOut.model_validate(row) for row in page.rows], next=page.next)


@router.delete(
    "/subscriptions/{subscription_id}",
    summary="Cancel a subscription",
    responses=problems(NotFound, Conflict),
)
def cancel(subscription_id: UUID, caller: Member, db: Db, clock: Time) -> SubscriptionOut:
    """It runs on until what was paid is used up."""
    with db.write() as session:
        return SubscriptionOut.model_validate(life.cancel(session, caller.subject, subscription_id, clock))
