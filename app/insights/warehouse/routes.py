"""What the warehouse answered when it was last loaded, for analysts: as JSON, or as CSV with ?format=csv."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

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
from app.tabular import CSV, CSV_ROWS, Format, answer
from app.times import Instant
from app.wiring import Db

router = Router(prefix="/insights", tags=["insights"])
Named = Annotated[str | None, Query(max_length=200)]
Answer = dict[str, Any] | Response
_REFUSALS = {**problems(NotFound), **CSV}


class _Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


@mirrors(SegmentSize)
class SegmentOut(_Out):
    members: int = Field(description="10 or more: smaller segments are not shown")


@mirrors(RangeAffinity)
class PriceRangeOut(_Out):
    price_range: str = Field(description="economic, middle or image: thirds of each category's prices")
    share: float = Field(description="of the segment's money")
    affinity: float = Field(description="that share over everybody's; 1 is like everybody")


@mirrors(BrandAffinity)
class BrandAffinityOut(_Out):
    share: float = Field(description="of the segment's units")


@mirrors(Season)
class SeasonOut(_Out):
    key: str = Field(description="a brand or department, or a product's id")
    period: int = Field(description="month, or ISO week")
    season_index: float = Field(description="1 is a day like any other")


@mirrors(AreaSales)
class AreaSalesOut(_Out):
    key: str = Field(description="a brand, a vendor's or product's id; (others) adds up cells of too few members")


@mirrors(YearSales)
class YearSalesOut(_Out):
    units: int = Field(description="less what came back")


class AsOf(BaseModel):
    as_of_block: int = Field(description="the ledger's last block that is counted")
    as_of_date: str = Field(description="the last business day with sales")
    published_at: Instant


class SegmentsOut(AsOf):
    segments: list[SegmentOut]
    next: Next


class PriceRangesOut(AsOf):
    ranges: list[PriceRangeOut]
    next: Next


class BrandAffinitiesOut(AsOf):
    brands: list[BrandAffinityOut]
    next: Next


class SeasonsOut(AsOf):
    seasons: list[SeasonOut]
    next: Next


class SalesByAreaOut(AsOf):
    areas: list[AreaSalesOut]
    next: Next


class SalesByYearOut(AsOf):
    years: list[YearSalesOut]
    next: Next


@dataclass(frozen=True)
class Request:
    """What every route here takes: which page of a model's answers, and in which format."""

    db: Database
    row: type[Any]
    page: Paging[Any]
    format: Format

    def answer(self, name: str, **where: Any) -> Answer:
        """The answers that `where` narrows, in a list of that name; as CSV, alone."""
        as_table = self.format is Format.CSV
        asked = self.page.table(CSV_ROWS) if as_table else self.page
        with self.db.snapshot() as session:
            published = service.published(session)
            page = asked.page(partial(service.answers, session, self.row, **where), *service.key_of(self.row))
        if as_table:
            return answer(self.row, page.rows, asked.link(page))
        rows = [vars(row) for row in page.rows]
        return {**vars(published), "as_of_date": str(published.as_of_date), name: rows, "next": page.next}


def _of(row: type[Any]) -> Any:
    """A route's dependency: a request for a model's answers, paged by the columns that they are sorted by."""
    page = paged(tuple.__class_getitem__(tuple(service.key_of(row).values())), default=MOST_ROWS)

    async def request(
        caller: Analyst,
        db: Db,
        asked: Annotated[Paging[Any], page],
        format: Format = Format.JSON,  # noqa: A002  the query's name
    ) -> Request:
        return Request(db, row, asked, format)

    return Depends(request)


@router.get("/segments", summary="How large segments are", response_model=SegmentsOut, responses=_REFUSALS)
def list_segments(request: Annotated[Request, _of(SegmentSize)], kind: SegmentKind | None = None) -> Answer:
    """Members by recency, frequency and money (RFM), cost volume, variety, price range, income, marital status."""
    return request.answer("segments", kind=kind)


@router.get("/price-ranges", summary="Price-range affinity", response_model=PriceRangesOut, responses=_REFUSALS)
def list_price_ranges(
    request: Annotated[Request, _of(RangeAffinity)], kind: SegmentKind | None = None, segment: Named = None
) -> Answer:
    """Which segment leans to the economic brand, which to brand image."""
    return request.answer("ranges", kind=kind, segment=segment)


@router.get("/brand-affinity", summary="Brand affinity", response_model=BrandAffinitiesOut, responses=_REFUSALS)
def list_brand_affinities(
    request: Annotated[Request, _of(BrandAffinity)], kind: SegmentKind | None = None, segment: Named = None
) -> Answer:
    """Which brands a segment buys more than everybody does."""
    return request.answer("brands", kind=kind, segment=segment)


@router.get("/seasonal", summary="Seasonal index", response_model=SeasonsOut, responses=_REFUSALS)
def list_seasons(
    request: Annotated[Request, _of(Season)],
    kind: SalesKind = SalesKind.DEPARTMENT,
    key: Named = None,
    grain: Grain = Grain.MONTH,
) -> Answer:
    """When a product (by month), a brand or a department sells more than usual: what to have in stock."""
    return request.answer("seasons", kind=kind, key=key, grain=grain)


@router.get("/areas", summary="Sales by area", response_model=SalesByAreaOut, responses=_REFUSALS)
def list_area_sales(
    request: Annotated[Request, _of(AreaSales)], kind: SalesKind = SalesKind.ALL, area: Named = None, key: Named = None
) -> Answer:
    """What an area bought in the last 365 days, by product, brand or vendor: what its warehouse should hold."""
    return request.answer("areas", kind=kind, area=area, key=key)


@router.get("/years", summary="Sales by year", response_model=SalesByYearOut, responses=_REFUSALS)
def list_year_sales(
    request: Annotated[Request, _of(YearSales)],
    kind: SalesKind = SalesKind.ALL,
    year: Annotated[int | None, Query(ge=1970, le=9000)] = None,
) -> Answer:
    """Units and money, less what came back, by department, brand and vendor."""
    return request.answer("years", kind=kind, year=year)
