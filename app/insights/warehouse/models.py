"""Rows of the warehouse's models. Money is in minor units; shares and indices are plain numbers."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

LEAST_MEMBERS = 10
"""Members in a published cell, at least: smaller cells reveal too much of each."""
LEAST_UNITS = 50
"""Units a key must have sold for its seasonality to differ from chance."""


class SegmentKind(StrEnum):
    RFM = "rfm"
    VOLUME = "volume"
    VARIETY = "variety"
    RANGE = "range"
    INCOME = "income"
    MARITAL = "marital"


class SalesKind(StrEnum):
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
    """A segment's purchases in a price range: `share` of its money, and `affinity`, the share over everyone's."""

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
    """A segment's purchases of a brand: `share` of its units, and `affinity`, the smoothed share over everyone's."""

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
    """A key's seasonal index in a month or ISO week (`period`); 1 is an average day."""

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
    """Sales of a year; `units` and `revenue_minor` are net of returns."""

    year: int
    kind: SalesKind
    key: str
    members: int
    sold_units: int
    units: int
    revenue_minor: int


@dataclass(frozen=True)
class MemberProfile:
    """Segments of a member who consented, for recommendations."""

    member_id: UUID
    rfm: str
    volume: str
    variety: str
    price_range: str
    brand: str | None


@dataclass(frozen=True)
class Published:
    """The state of the warehouse that the answers are of."""

    generation: int
    as_of_block: int
    as_of_date: date
    published_at: datetime


@dataclass(frozen=True)
class Model:
    """A published model: its query in queries/, the table of its answers, and the order of its pages."""

    query: str
    table: str
    order: tuple[str, ...] = ()


# The first of a page's order is what most is asked for.
MODELS: dict[type[Any], Model] = {
    SegmentSize: Model("segment_sizes", "insight_segment_sizes", ("kind", "members DESC", "segment")),
    RangeAffinity: Model("price_ranges", "insight_price_ranges", ("kind", "segment", "price_range")),
    BrandAffinity: Model("brands", "insight_brands", ("kind", "segment", "affinity DESC", "brand")),
    Season: Model("seasonal", "insight_seasonal", ("kind", "key", "grain", "period")),
    AreaSales: Model("areas", "insight_areas", ("area", "kind", "revenue_minor DESC", "key")),
    YearSales: Model("years", "insight_years", ("year", "kind", "revenue_minor DESC", "key")),
    MemberProfile: Model("members", "insight_members"),
}
