"""Top sellers and busy hours, from the hourly sales counts, for analysts."""

from functools import partial
from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel, Field

from app.auth import Analyst
from app.insights.stream import windows_repository as windows
from app.insights.stream.models import BusyHour, By, Seller
from app.insights.stream.spans import whole_hours
from app.mirrors import mirrors
from app.paging import BigInt, Next, Paging, paged
from app.routing import Router
from app.tabular import CSV, Format, In, answer
from app.times import Day, Instant
from app.wiring import Db, Time

router = Router(prefix="/insights", tags=["insights"])

A_DAY, FOUR_WEEKS = 24, 4 * 7 * 24
Since = Annotated[Instant | Day | None, Query(description="an instant, or a day in the program's time zone")]
Until = Annotated[Instant | Day | None, Query(description="end of the span, exclusive; now if absent")]
HourOfDay = Annotated[int | None, Query(ge=0, le=23, description="only this hour of the day, in the program's zone")]
Weekday = Annotated[int | None, Query(ge=1, le=7, description="only this day of the week; 1 is Monday")]


@mirrors(Seller)
class SellerOut(BaseModel):
    units: int = Field(description="units sold less units returned; a return counts in the hour of its order")
    paid_minor: int = Field(description="money paid at the checkout, for returned units too")
    lines: int = Field(description="order lines")


From = Annotated[Instant, Field(description="begin of the first hour counted, whole in the program's time zone")]
To = Annotated[Instant, Field(description="end of the last hour counted")]


class TopSellersOut(BaseModel):
    since: From
    until: To
    by: By
    final: bool = Field(description="true if no hour of the span still waits for late sales")
    corrected: int = Field(description="number of hours that late sales corrected after they were final")
    sellers: list[SellerOut] = Field(description="most units first")
    next: Next


@mirrors(BusyHour)
class BusyHourOut(BaseModel):
    weekday: int = Field(description="1 is Monday")


class BusyHoursOut(BaseModel):
    since: From
    until: To
    hours: list[BusyHourOut]


@router.get("/top-sellers", summary="Top sellers", response_model=TopSellersOut, responses=CSV)
def list_top_sellers(
    caller: Analyst,
    db: Db,
    clock: Time,
    paging: Annotated[Paging[tuple[int, str]], paged(tuple[BigInt, str], default=10)],
    by: By = By.PRODUCT,
    since: Since = None,
    until: Until = None,
    hour_of_day: HourOfDay = None,
    weekday: Weekday = None,
    shape: In = Format.JSON,
) -> TopSellersOut | Response:
    """Products, brands, vendors, departments or areas (stores, regions) by units sold; by default, in the last day."""
    with db.snapshot() as session:
        span = whole_hours(session, since, until, clock, hours=A_DAY, hour_of_day=hour_of_day, weekday=weekday)
        page = paging.page(partial(windows.top_sellers, session, span, by), "units", "id")
        completeness = windows.completeness(session, span)
    if shape is Format.CSV:
        return answer(Seller, page.rows, paging.link(page))
    sellers = [SellerOut.model_validate(seller) for seller in page.rows]
    return TopSellersOut(
        since=span.since, until=span.until, by=by, **vars(completeness), sellers=sellers, next=page.next
    )


@router.get("/busy-hours", summary="Busy hours of the week", response_model=BusyHoursOut, responses=CSV)
def list_busy_hours(
    caller: Analyst, db: Db, clock: Time, since: Since = None, until: Until = None, shape: In = Format.JSON
) -> BusyHoursOut | Response:
    """Orders, units and money by hour of the week (loyalty program's time zone); by default, of the last four weeks."""
    with db.snapshot() as session:
        span = whole_hours(session, since, until, clock, hours=FOUR_WEEKS)
        hours = windows.busy_hours(session, span)
    if shape is Format.CSV:
        return answer(BusyHour, hours)
    return BusyHoursOut(since=span.since, until=span.until, hours=[BusyHourOut.model_validate(hour) for hour in hours])
