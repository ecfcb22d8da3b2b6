"""What the warehouse answered when it was last loaded, for analysts: as JSON, or as CSV with ?format=csv."""

from functools import partial
from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.auth import Analyst
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


def _paged(row: type[Any]) -> Any:
    """By the columns that a model's answers are sorted by."""
    return paged(tuple.__class_getitem__(tuple(service.key_of(row).values())), default=MOST_ROWS)


def _answered(
    db: Db, row: type[Any], name: str, form: Format, asked: Paging[Any], **where: Any
) -> dict[str, Any] | Response:
    as_table = form is Format.CSV
    asked = asked.table(CSV_ROWS) if as_table else asked
    with db.snapshot() as session:
        state = service.published(session)
        page = asked.page(partial(service.answers, session, row, **where), *service.key_of(row))
    if as_table:
        return answer(row, page.rows, asked.link(page))
    said = {"as_of_block": state.as_of_block, "as_of_date": str(state.as_of_date), "published_at": state.published_at}
    return {**said, name: [vars(one) for one in page.rows], "next": page.next}


@router.get("/segments", summary="How large segments are", response_model=SegmentsOut, responses=_REFUSALS)
def list_segments(
    caller: Analyst,  # noqa: ARG001
    db: Db,
    asked: Annotated[Paging[Any], _paged(SegmentSize)],
    kind: SegmentKind | None = None,
    format: Format = Format.JSON,  # noqa: A002  the query's name
) -> dict[str, Any] | Response:
    """Members by recency, frequency and money (RFM), cost volume, variety, price range, income, marital status."""
    return _answered(db, SegmentSize, "segments", format, asked, kind=kind)


@router.get("/price-ranges", summary="Price-range affinity", response_model=PriceRangesOut, responses=_REFUSALS)
def list_price_ranges(
    caller: Analyst,  # noqa: ARG001
    db: Db,
    asked: Annotated[Paging[Any], _paged(RangeAffinity)],
    kind: SegmentKind | None = None,
    segment: Named = None,
    format: Format = Format.JSON,  # noqa: A002
) -> dict[str, Any] | Response:
    """Which segment leans to the economic brand, which to brand image."""
    return _answered(db, RangeAffinity, "ranges", format, asked, kind=kind, segment=segment)


@router.get("/brand-affinity", summary="Brand affinity", response_model=BrandAffinitiesOut, responses=_REFUSALS)
def list_brand_affinities(
    caller: Analyst,  # noqa: ARG001
    db: Db,
    asked: Annotated[Paging[Any], _paged(BrandAffinity)],
    kind: SegmentKind | None = None,
    segment: Named = None,
    format: Format = Format.JSON,  # noqa: A002
) -> dict[str, Any] | Response:
    """Which brands a segment buys more than everybody does."""
    return _answered(db, BrandAffinity, "brands", format, asked, kind=kind, segment=segment)


@router.get("/seasonal", summary="Seasonal index", response_model=SeasonsOut, responses=_REFUSALS)
def list_seasons(
    caller: Analyst,  # noqa: ARG001
    db: Db,
    asked: Annotated[Paging[Any], _paged(Season)],
    kind: SalesKind = SalesKind.DEPARTMENT,
    key: Named = None,
    grain: Grain = Grain.MONTH,
    format: Format = Format.JSON,  # noqa: A002
) -> dict[str, Any] | Response:
    """When a product (by month), a brand or a department sells more than usual: what to have in stock."""
    return _answered(db, Season, "seasons", format, asked, kind=kind, key=key, grain=grain)


@router.get("/areas", summary="Sales by area", response_model=SalesByAreaOut, responses=_REFUSALS)
def list_area_sales(
    caller: Analyst,  # noqa: ARG001
    db: Db,
    asked: Annotated[Paging[Any], _paged(AreaSales)],
    kind: SalesKind = SalesKind.ALL,
    area: Named = None,
    key: Named = None,
    format: Format = Format.JSON,  # noqa: A002
) -> dict[str, Any] | Response:
    """What an area bought in the last 365 days, by product, brand or vendor: what its warehouse should hold."""
    return _answered(db, AreaSales, "areas", format, asked, kind=kind, area=area, key=key)


@router.get("/years", summary="Sales by year", response_model=SalesByYearOut, responses=_REFUSALS)
def list_year_sales(
    caller: Analyst,  # noqa: ARG001
    db: Db,
    asked: Annotated[Paging[Any], _paged(YearSales)],
    kind: SalesKind = SalesKind.ALL,
    year: Annotated[int | None, Query(ge=1970, le=9000)] = None,
    format: Format = Format.JSON,  # noqa: A002
) -> dict[str, Any] | Response:
    """Units and money, less what came back, by department, brand and vendor."""
    return _answered(db, YearSales, "years", format, asked, kind=kind, year=year)
