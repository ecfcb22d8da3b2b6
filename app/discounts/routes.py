"""Routes for hourly discounts: shoppers list them, vendors set terms and decide on proposals, admins stop all."""

from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.auth import Admin, Vendor
from app.discounts import service
from app.discounts.models import Discount, DiscountTerms, Floor, Mode, Running
from app.errors import Conflict, NotFound
from app.idempotency import OnlyOnce
from app.mirrors import mirrors
from app.money import MOST_MINOR
from app.paging import Next, Paging, paged
from app.problems import problems
from app.routing import Router
from app.wiring import Db, Time

router = Router(prefix="/insights/discounts", tags=["insights"])
Minor = Annotated[int, Field(ge=0, le=MOST_MINOR, strict=True)]


@mirrors(Running)
class RunningDiscountOut(BaseModel):
    pass


class RunningDiscountsOut(BaseModel):
    discounts: list[RunningDiscountOut]
    next: Next


class PriceFloor(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)
    product_id: UUID
    floor_minor: Minor = Field(description="the lowest discounted price")


class DiscountTermsIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"mode": "ask", "percent": 15, "most_products": 5, "budget_minor": 10_000, "floors": []}]
        },
    )
    mode: Mode = Field(description="off: also stops running ones; ask: you approve each; auto: approved at once")
    percent: int = Field(ge=1, le=90, strict=True)
    most_products: int = Field(ge=1, le=1_000, strict=True, description="products per hour")
    budget_minor: Minor = Field(description="total cost of discounts per hour")
    floors: list[PriceFloor] = Field(max_length=1_000, description="only products with a floor are ever discounted")


class DiscountTermsOut(DiscountTermsIn):
    model_config = ConfigDict(extra="ignore")


@mirrors(Discount, without=("vendor_id",))
class DiscountOut(BaseModel):
    expected: float = Field(description="units that would be sold in the hour at list price")


class DiscountsOut(BaseModel):
    discounts: list[DiscountOut]
    next: Next


class DiscountDecisionIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    approve: bool = Field(strict=True)


class DiscountSwitchIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    stopped: bool = Field(strict=True)


class DiscountSwitchOut(BaseModel):
    stopped: bool
    ended: int = Field(description="number of discounts that this stopped")


@router.get("", summary="What costs less this hour")
def list_discounts(
    paging: Annotated[Paging[tuple[str, UUID]], paged(tuple[str, UUID])], db: Db, clock: Time
) -> RunningDiscountsOut:
    """Returns this hour's discounts whose vendors have budget left. An order's prices are those when it is placed."""
    with db.read() as session:
        page = paging.page(partial(service.running, session, clock), "name", "product_id")
    return RunningDiscountsOut(
        discounts=[RunningDiscountOut.model_validate(discount) for discount in page.rows], next=page.next
    )


@router.get("/terms", summary="What you allow")
def get_discount_terms(caller: Vendor, db: Db) -> DiscountTermsOut:
    """Returns the calling vendor's discount terms and price floors; by default, discounts are off."""
    with db.snapshot() as session:
        allowed, floors = service.terms(session, caller.subject)
    return DiscountTermsOut(**vars(allowed), floors=[PriceFloor.model_validate(floor) for floor in floors])


@router.put("/terms", summary="Say what you allow", responses=problems(NotFound, Conflict))
def set_discount_terms(draft: DiscountTermsIn, caller: Vendor, db: Db, clock: Time) -> DiscountTermsOut:
    """Replaces the calling vendor's discount terms and price floors."""
    allowed = DiscountTerms(caller.subject, draft.mode, draft.percent, draft.most_products, draft.budget_minor)
    with db.write() as session:
        service.set_terms(session, allowed, [Floor(**vars(floor)) for floor in draft.floors], clock)
    return DiscountTermsOut(**draft.model_dump())


@router.get("/proposals", summary="Your discounts")
def list_proposed_discounts(
    caller: Vendor,
    paging: Annotated[Paging[tuple[datetime, UUID]], paged(tuple[AwareDatetime, UUID])],
    db: Db,
    clock: Time,
) -> DiscountsOut:
    """Returns the calling vendor's discounts of this and the next hour, in any state but `control`."""
    with db.read() as session:
        page = paging.page(partial(service.of_vendor, session, caller.subject, clock), "hour", "product_id")
    return DiscountsOut(discounts=[DiscountOut.model_validate(discount) for discount in page.rows], next=page.next)


@router.post(
    "/{discount_id}/decision",
    status_code=201,
    summary="Approve or decline",
    response_model=DiscountOut,
    responses=problems(Conflict),
)
def decide_discount(discount_id: UUID, decision: DiscountDecisionIn, caller: Vendor, once: OnlyOnce) -> Response:
    """Approves or declines a proposed discount; possible once, and before the hour of the discount is over."""
    return once(
        caller.key,
        lambda session: service.decide(session, caller.subject, discount_id, once.clock, approve=decision.approve),
    )


@router.put("/switch", summary="Stop all discounts, or allow them")
def switch_discounts(switch: DiscountSwitchIn, caller: Admin, db: Db, clock: Time) -> DiscountSwitchOut:
    """Stops all proposed and approved discounts and further proposals, or allows proposals again."""
    with db.write() as session:
        return DiscountSwitchOut(stopped=switch.stopped, ended=service.switch(session, clock, stopped=switch.stopped))
