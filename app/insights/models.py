"""What the stream's consumer speaks of."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True)
class Record:
    """One record of a shard, as it arrived."""

    position: str
    data: bytes


@dataclass(frozen=True)
class Sale:
    """What one order sold of one product, at the hour (UTC) it was placed."""

    hour: datetime
    product_id: UUID
    units: int
    paid_minor: int


@dataclass(frozen=True)
class Change:
    """A revision as the stream told it: its place in the tree, and the sales it stands for, if any."""

    sequence: int
    sales: tuple[Sale, ...]


@dataclass(frozen=True)
class Poison:
    """A record that says nothing we can use."""

    position: str
    reason: str
    data: bytes


@dataclass(frozen=True)
class Applied:
    """What came of a batch: new revisions, repeats that were dropped, and records put aside."""

    applied: int
    repeated: int
    quarantined: int


class By(StrEnum):
    PRODUCT = "product"
    BRAND = "brand"
    VENDOR = "vendor"


@dataclass(frozen=True)
class Seller:
    id: str
    name: str
    units: int
    paid_minor: int
    lines: int
