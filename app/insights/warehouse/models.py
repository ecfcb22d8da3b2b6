"""Rows that the warehouse's queries return. Money is in minor units; shares and indices are plain numbers."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class SegmentKind(StrEnum):
    """How members are grouped into segments: RFM is by recency, frequency and money, VOLUME by money spent."""

    RFM = "rfm"
    VOLUME = "volume"
    VARIETY = "variety"
    RANGE = "range"
    INCOME = "income"
    MARITAL = "marital"


class SalesKind(StrEnum):
    """How sales are grouped; `key` in a result row is then a department, a brand, or the id of a vendor or product."""

    ALL = "all"
    DEPARTMENT = "department"
    BRAND = "brand"
    VENDOR = "vendor"
    PRODUCT = "product"


class Grain(StrEnum):
    MONTH = "month"
    WEEK = "week"


@dataclass(frozen=True)
class SegmentSize:
    kind: SegmentKind
    segment: str
    members: int
    orders: int
    revenue_minor: int


@dataclass(frozen=True)
class RangeAffinity:
    """A segment's purchases in a price range.

    `share` is the share of the segment's money spent there; `affinity` is `share` divided by all members' share.
    """

    kind: SegmentKind
    segment: str
    price_range: str
    members: int
    units: int
    revenue_minor: int
    share: float
    affinity: float


@dataclass(frozen=True)
class BrandAffinity:
    """A segment's purchases of a brand.

    `share` is the brand's share of the segment's units. `affinity` compares it with the brand's share of all members'
    units: greater than 1 if the segment prefers the brand.
    """

    kind: SegmentKind
    segment: str
    brand: str
    members: int
    units: int
    revenue_minor: int
    share: float
    affinity: float


@dataclass(frozen=True)
class Season:
    """Sales in a month or ISO week (`period`); `season_index`: units sold a day, divided by those of an average day."""

    kind: SalesKind
    key: str
    grain: Grain
    period: int
    units: int
    season_index: float


@dataclass(frozen=True)
class AreaSales:
    area: str
    kind: SalesKind
    key: str
    members: int
    units: int
    revenue_minor: int


@dataclass(frozen=True)
class YearSales:
    """A year's sales of one department, brand or product (`key`); `units` and `revenue_minor` are net of returns."""

    year: int
    kind: SalesKind
    key: str
    members: int
    sold_units: int
    units: int
    revenue_minor: int


@dataclass(frozen=True)
class MemberProfile:
    """The segments of a member who consented to recommendations."""

    member_id: UUID
    rfm: str
    volume: str
    variety: str
    price_range: str
    brand: str | None


@dataclass(frozen=True)
class Published:
    """The run whose results are published: its number (`generation`), and the last ledger block and day included."""

    generation: int
    as_of_block: int
    as_of_date: date
    published_at: datetime


@dataclass(frozen=True)
class Model:
    """A query whose results are published: its file in queries/, the table of the results, and their sort order."""

    query: str
    table: str
    order: tuple[str, ...] = ()


MODELS: dict[type[Any], Model] = {
    SegmentSize: Model("segment_sizes", "insight_segment_sizes", ("kind", "members DESC", "segment")),
    RangeAffinity: Model("price_ranges", "insight_price_ranges", ("kind", "segment", "price_range")),
    BrandAffinity: Model("brands", "insight_brands", ("kind", "segment", "affinity DESC", "brand")),
    Season: Model("seasonal", "insight_seasonal", ("kind", "key", "grain", "period")),
    AreaSales: Model("areas", "insight_areas", ("area", "kind", "revenue_minor DESC", "key")),
    YearSales: Model("years", "insight_years", ("year", "kind", "revenue_minor DESC", "key")),
    MemberProfile: Model("members", "insight_members"),
}
