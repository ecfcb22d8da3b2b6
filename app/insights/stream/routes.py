"""What sells most, and when, for analysts."""

from functools import partial
from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.auth import Analyst
from app.insights.stream import windows
from app.insights.stream.models import BusyHour, By, Seller
from app.mirrors import mirrors
from app.paging import BigInt, Next, Paging, paged
from app.routing import Router
from app.tabular import CSV, Format, In, answer
from app.times import Day, Instant
from app.wiring import Db, Time

router = Router(prefix="/insights", tags=["insights"])

A_DAY, FOUR_WEEKS = 24, 4 * 7 * 24
Since = Annotated[Instant | Day | None, Query(description="an instant, or a day in the program's time zone")]
Until = Annotated[Instant | Day | None, Query(description="until just before it; now if absent")]
HourOfDay = Annotated[int | None, Query(ge=0, le=23, description="only this hour of the day, in the program's zone")]
Weekday = Annotated[int | None, Query(ge=1, le=7, description="only this day of the week; 1 is Monday")]


class SellerOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: str
    name: str
    units: int = Field(description="that stayed sold: those returned since are subtracted in the hour of their order")
    paid_minor: int = Field(description="what was paid at the checkout, for returned units too")
    lines: int = Field(description="order lines")


From = Annotated[Instant, Field(description="begin of the first hour that was taken, whole in the program's zone")]
To = Annotated[Instant, Field(description="end of the last hour that was taken")]


class TopSellersOut(BaseModel):
    since: From
    until: To
    by: By
    final: bool = Field(description="no hour of the span is waiting for late sales any more")
    corrected: int = Field(description="how many of its hours were corrected by sales that came after that")
    sellers: list[SellerOut] = Field(description="most units first")
    next: Next


@mirrors(BusyHour)
class BusyHourOut(BaseModel):
    weekday: int = Field(description="1 is Monday")


class BusyHoursOut(BaseModel):
    since: From
    until: To
    hours: list[BusyHourOut]


@router.get(
    "/top-sellers",
    summary="What sells most at a time",
    response_model=TopSellersOut,
    responses=CSV,
)
def list_top_sellers(
    caller: Analyst,
    db: Db,
    clock: Time,
    asked: Annotated[Paging[tuple[int, str]], paged(tuple[BigInt, str], default=10)],
    by: By = By.PRODUCT,
    since: Since = None,
    until: Until = None,
    hour_of_day: HourOfDay = None,
    weekday: Weekday = None,
    shape: In = Format.JSON,
) -> TopSellersOut | Response:
    """Of the whole hours in the span (a day, if not said), from the journal stream, seconds after the orders."""
    with db.snapshot() as session:
        span = windows.span(session, since, until, clock, hours=A_DAY, hour_of_day=hour_of_day, weekday=weekday)
        page = asked.page(partial(windows.top_sellers, session, span, by), "units", "id")
        whole = windows.completeness(session, span)
    if shape is Format.CSV:
        return answer(Seller, page.rows, asked.link(page))
    return TopSellersOut(
        since=span.since,
        until=span.until,
        by=by,
        final=whole.final,
        corrected=whole.corrected,
        sellers=[SellerOut.model_validate(seller) for seller in page.rows],
        next=page.next,
    )


@router.get(
    "/busy-hours",
    summary="When it is busy",
    response_model=BusyHoursOut,
    responses=CSV,
)
def list_busy_hours(
    caller: Analyst,
    db: Db,
    clock: Time,
    since: Since = None,
    until: Until = None,
    shape: In = Format.JSON,
) -> BusyHoursOut | Response:
    """Orders, units and money by hour of the week in the program's time zone, of four weeks if not said."""
    with db.snapshot() as session:
        asked = windows.span(session, since, until, clock, hours=FOUR_WEEKS)
        hours = windows.busy_hours(session, asked)
    if shape is Format.CSV:
        return answer(BusyHour, hours)
    return BusyHoursOut(
        since=asked.since, until=asked.until, hours=[BusyHourOut.model_validate(hour) for hour in hours]
    )
