"""Dataclasses of the ledger stream's consumer, and of queries over the hourly sales counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12


@dataclass(frozen=True)
class Record:
    """A record as read from a shard: its position in the shard, and its bytes."""

    position: str
    data: bytes


_MOST, _MOST_LINES = 2**53, 2**31 - 1


class Sale(TypedDict):
    """A line of an order: units of a product and the money paid; a dict, which is faster to create than a dataclass."""

    product_id: UUID
    units: Annotated[int, Field(strict=True, ge=1, le=_MOST)]
    paid_minor: Annotated[int, Field(strict=True, ge=0, le=_MOST)]


@dataclass(frozen=True)
class Basket:
    """An order from the stream; it is counted in the hour of `placed_at`."""

    placed_at: datetime
    member_id: UUID | None
    area: str | None
    sales: Sequence[Sale]
    order_id: UUID | None = None


class Return(TypedDict):
    """A return from the stream: how many units of which order line."""

    order_id: UUID
    line: Annotated[int, Field(strict=True, ge=1, le=_MOST_LINES)]
    units: Annotated[int, Field(strict=True, ge=1, le=_MOST)]


@dataclass(frozen=True)
class Change:
    """A ledger revision from the stream: its number in the ledger, and the order or return that it contains, if any.

    `strand` and `block` name the ledger block that has the revision.
    """

    strand: str
    block: int
    sequence: int
    basket: Basket | None
    returned: Return | None = None


@dataclass(frozen=True)
class Sealed:
    """The strand and number of a ledger block whose summary arrived on the stream."""

    strand: str
    block: int


@dataclass(frozen=True)
class Poison:
    """A record that can't be parsed, and why."""

    position: str
    reason: str
    data: bytes


@dataclass(frozen=True)
class Applied:
    """The outcome of a batch: numbers of new revisions, of repeated revisions (ignored) and of quarantined records.

    `lost` counts ignored records of blocks that the ledger lacks since the database was restored.
    """

    applied: int
    repeated: int
    quarantined: int
    lost: int = 0


@dataclass(frozen=True)
class Gap:
    """A range of missing ledger blocks: their summaries did not arrive on the stream, but later ones did."""

    first: int
    last: int


@dataclass(frozen=True)
class Status:
    """A consumer's progress. Revisions are tracked in chunks of 8192; `partial_chunks` counts incomplete chunks."""

    consumer: str
    newest: datetime | None
    revisions: int
    blocks: int
    gaps: int
    partial_chunks: int
    quarantined: int
    open_windows: int
    corrected_windows: int


@dataclass(frozen=True)
class Aside:
    """A quarantined record, without its bytes; `tries` counts the failed attempts to parse it."""

    shard: str
    position: str
    reason: str
    tries: int
    size: int


@dataclass(frozen=True)
class Redriven:
    """How many quarantined records were applied, and how many still can't be parsed."""

    applied: int
    still_bad: int

    def __add__(self, more: "Redriven") -> "Redriven":
        return Redriven(self.applied + more.applied, self.still_bad + more.still_bad)


class By(StrEnum):
    """How sales are grouped in the list of top sellers; an area is the store or sales region of an order."""

    PRODUCT = "product"
    BRAND = "brand"
    VENDOR = "vendor"
    DEPARTMENT = "department"
    AREA = "area"


@dataclass(frozen=True)
class Seller:
    """Sales of a product, brand, vendor, department, store or region. Returns are deducted from `units` only."""

    id: str
    name: str
    units: int
    paid_minor: int
    lines: int


@dataclass(frozen=True)
class Span:
    """The whole hours in [since, until); if `hour_of_day` or `weekday` is set, only the hours that match.

    Hour and weekday are those of the loyalty program's time zone.
    """

    since: datetime
    until: datetime
    hour_of_day: int | None = None
    weekday: int | None = None


@dataclass(frozen=True)
class Completeness:
    """Whether all hours of a span are final, and how many were corrected afterwards by sales that arrived late."""

    final: bool
    corrected: int


@dataclass(frozen=True)
class BusyHour:
    """Sales in one hour of the week, summed over a span; in the loyalty program's time zone. `weekday` 1 is Monday."""

    weekday: int
    hour: int
    orders: int
    units: int
    paid_minor: int
