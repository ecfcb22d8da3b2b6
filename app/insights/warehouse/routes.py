"""The published results of the warehouse's queries, for analysts, as JSON or CSV."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Query, Response
from pydantic import BaseModel, Field

from app.auth import Analyst
from app.db import Database
from app.errors import NotFound
from app.insights.warehouse import service
from app.insights.warehouse.models import (
    AreaSales,
    BrandAffinity,
    Grain,
    RangeAffinity,
    SalesKind,
    Season,
    SegmentKind,
    SegmentSize,
    YearSales,
)
from app.mirrors import mirrors
from app.paging import MOST_ROWS, Next, Paging, paged
from app.problems import problems
from app.routing import Router
from app.tabular import CSV, CSV_ROWS, Format, In, answer
from app.times import Instant
from app.wiring import Db

router = Router(prefix="/insights", tags=["insights"])
Named = Annotated[str | None, Query(max_length=200)]
Answer = dict[str, Any] | Response
_REFUSALS = {**problems(NotFound), **CSV}


@mirrors(SegmentSize)
class SegmentOut(BaseModel):
    members: int = Field(description="at least 10: smaller segments are not shown")


@mirrors(RangeAffinity)
class PriceRangeOut(BaseModel):
    price_range: str = Field(description="economic, middle or image (premium): thirds of each category's prices")
    share: float = Field(description="share of the segment's money")
    affinity: float = Field(description="the share divided by all members' share; above 1 the segment buys more of it")


@mirrors(BrandAffinity)
class BrandAffinityOut(BaseModel):
    share: float = Field(description="share of the segment's units")


@mirrors(Season)
class SeasonOut(BaseModel):
    key: str = Field(description="a brand or department, or a product's id")
    period: int = Field(description="month, or ISO week")
    season_index: float = Field(description="units a day, divided by the units of an average day")


@mirrors(AreaSales)
class AreaSalesOut(BaseModel):
    key: str = Field(description="a brand, or a vendor's or product's id; (others) sums the rows with too few members")


@mirrors(YearSales)
class YearSalesOut(BaseModel):
    units: int = Field(description="units sold less units returned")


class AsOf(BaseModel):
    as_of_block: int = Field(description="the last ledger block that is included")
    as_of_date: str = Field(description="the last business day with sales")
    published_at: Instant
    next: Next


class SegmentsOut(AsOf):
    segments: list[SegmentOut]


class PriceRangesOut(AsOf):
    ranges: list[PriceRangeOut]


class BrandAffinitiesOut(AsOf):
    brands: list[BrandAffinityOut]


class SeasonsOut(AsOf):
    seasons: list[SeasonOut]


class SalesByAreaOut(AsOf):
    areas: list[AreaSalesOut]


class SalesByYearOut(AsOf):
    years: list[YearSalesOut]


@dataclass(frozen=True)
class Request:
    """A request for one page of the published rows of the dataclass `row`, as JSON or CSV."""

    db: Database
    row: type[Any]
    paging: Paging[Any]
    format: Format

    def answer(self, name: str, **where: Any) -> Answer:
        """Return the page of rows that match the filters `where`, as CSV or in the JSON field `name`."""
        as_csv = self.format is Format.CSV
        paging = self.paging.table(CSV_ROWS) if as_csv else self.paging
        with self.db.snapshot() as session:
            published = service.published(session)
            page = paging.page(partial(service.answers, session, self.row, **where), *service.key_of(self.row))
        if as_csv:
            return answer(self.row, page.rows, paging.link(page))
        rows = [vars(row) for row in page.rows]
        return {**vars(published), "as_of_date": str(published.as_of_date), name: rows, "next": page.next}


def _of(row: type[Any]) -> Any:
    """Return a FastAPI dependency that makes a Request for rows of the class `row`, paged by the rows' sort key."""
    page = paged(tuple.__class_getitem__(tuple(service.key_of(row).values())), default=MOST_ROWS)

    async def request(
        caller: Analyst, db: Db, paging: Annotated[Paging[Any], page], shape: In = Format.JSON
    ) -> Request:
        return Request(db, row, paging, shape)

    return Depends(request)


@router.get("/segments", summary="How large segments are", response_model=SegmentsOut, responses=_REFUSALS)
def list_segments(request: Annotated[Request, _of(SegmentSize)], kind: SegmentKind | None = None) -> Answer:
    """Members, orders and revenue of segments: by RFM, money spent, variety, price range, income or marital status."""
    return request.answer("segments", kind=kind)


@router.get("/price-ranges", summary="Price-range affinity", response_model=PriceRangesOut, responses=_REFUSALS)
def list_price_ranges(
    request: Annotated[Request, _of(RangeAffinity)], kind: SegmentKind | None = None, segment: Named = None
) -> Answer:
    """The share of its money that each segment spends in the economic, middle and image (premium) price ranges."""
    return request.answer("ranges", kind=kind, segment=segment)


@router.get("/brand-affinity", summary="Brand affinity", response_model=BrandAffinitiesOut, responses=_REFUSALS)
def list_brand_affinities(
    request: Annotated[Request, _of(BrandAffinity)], kind: SegmentKind | None = None, segment: Named = None
) -> Answer:
    """The up to 50 brands that each segment prefers most, compared with all members."""
    return request.answer("brands", kind=kind, segment=segment)


@router.get("/seasonal", summary="Seasonal index", response_model=SeasonsOut, responses=_REFUSALS)
def list_seasons(
    request: Annotated[Request, _of(Season)],
    kind: SalesKind = SalesKind.DEPARTMENT,
    key: Named = None,
    grain: Grain = Grain.MONTH,
) -> Answer:
    """Seasons: sales of each month or week divided by the year's average. Products have months, but no weeks."""
    return request.answer("seasons", kind=kind, key=key, grain=grain)


@router.get("/areas", summary="Sales by area", response_model=SalesByAreaOut, responses=_REFUSALS)
def list_area_sales(
    request: Annotated[Request, _of(AreaSales)], kind: SalesKind = SalesKind.ALL, area: Named = None, key: Named = None
) -> Answer:
    """Sales of the last 365 days by area (store or region), in all or by product, brand or vendor; to plan stock."""
    return request.answer("areas", kind=kind, area=area, key=key)


@router.get("/years", summary="Sales by year", response_model=SalesByYearOut, responses=_REFUSALS)
def list_year_sales(
    request: Annotated[Request, _of(YearSales)],
    kind: SalesKind = SalesKind.ALL,
    year: Annotated[int | None, Query(ge=1970, le=9000)] = None,
) -> Answer:
    """Units sold and revenue of each year, less returns, in all or by department, brand or vendor."""
    return request.answer("years", kind=kind, year=year)
