"""The types of the stream's consumer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12

LATENESS = timedelta(minutes=15)
"""How long after an hour's end sales may arrive and still count in the hour's first version."""


@dataclass(frozen=True)
class Record:
    """One record of a shard, as received."""

    position: str
    data: bytes


_MOST, _MOST_LINES = 2**53, 2**31 - 1


class Sale(TypedDict):
    """Units of one product in an order; a dict, because a stream holds millions."""

    product_id: UUID
    units: Annotated[int, Field(strict=True, ge=1, le=_MOST)]
    paid_minor: Annotated[int, Field(strict=True, ge=0, le=_MOST)]


@dataclass(frozen=True)
class Basket:
    """An order. `placed_at` is the event's time."""

    placed_at: datetime
    member_id: UUID | None
    area: str | None
    sales: Sequence[Sale]
    order_id: UUID | None = None


class Return(TypedDict):
    """Units of an order's line that were returned."""

    order_id: UUID
    line: Annotated[int, Field(strict=True, ge=1, le=_MOST_LINES)]
    units: Annotated[int, Field(strict=True, ge=1, le=_MOST)]


@dataclass(frozen=True)
class LineReturned:
    """Returned units of a product, with when and where they were ordered."""

    placed_at: datetime
    product_id: UUID
    area: str | None
    units: int


@dataclass(frozen=True)
class Change:
    """A revision on the stream: its position in the ledger's tree, and the order or return in it."""

    sequence: int
    basket: Basket | None
    returned: Return | None = None


@dataclass(frozen=True)
class Sealed:
    """A block, known from its summary on the stream."""

    block: int


@dataclass(frozen=True)
class Poison:
    """A record that can't be parsed."""

    position: str
    reason: str
    data: bytes


@dataclass(frozen=True)
class Applied:
    """Counts of a batch: new revisions, repeats that were dropped, and records quarantined."""

    applied: int
    repeated: int
    quarantined: int


@dataclass(frozen=True)
class Gap:
    """First and last of a run of blocks whose summaries are missing though later ones arrived."""

    first: int
    last: int


@dataclass(frozen=True)
class Status:
    """A consumer's state. `newest` is the latest event time; a partial chunk lacks some of its 8192 revisions."""

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
    """A quarantined record; `tries` counts the failed attempts to parse it."""

    shard: str
    position: str
    reason: str
    tries: int
    size: int


@dataclass(frozen=True)
class Redriven:
    applied: int
    still_bad: int

    def __add__(self, more: "Redriven") -> "Redriven":
        return Redriven(self.applied + more.applied, self.still_bad + more.still_bad)


class By(StrEnum):
    PRODUCT = "product"
    BRAND = "brand"
    VENDOR = "vendor"
    DEPARTMENT = "department"
    AREA = "area"


@dataclass(frozen=True)
class Seller:
    """Sales of one key. `units` are net of returns; `paid_minor` and `lines` are the orders'."""

    id: str
    name: str
    units: int
    paid_minor: int
    lines: int


@dataclass(frozen=True)
class Span:
    """Whole hours [since, until) of the program's zone, optionally only one hour of the day or day of the week."""

    since: datetime
    until: datetime
    hour_of_day: int | None = None
    weekday: int | None = None


@dataclass(frozen=True)
class Completeness:
    """Whether all windows of a span are final, and how many were corrected after that."""

    final: bool
    corrected: int


@dataclass(frozen=True)
class BusyHour:
    """Sums of an hour of the week in the program's zone (weekday 1 is Monday), over the span."""

    weekday: int
    hour: int
    orders: int
    units: int
    paid_minor: int
