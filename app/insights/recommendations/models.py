"""Recommendations and their reasons."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

MOST_BASKETS = 50_000
"""How many of the newest baskets are learned from; older ones are deleted."""
FEWEST_MEMBERS = 10
"""Members behind each product of a segment, at least (k-anonymity)."""


class Why(StrEnum):
    AGAIN = "again"
    TOGETHER = "together"
    SEGMENT = "segment"
    CATEGORY = "category"
    BESTSELLER = "bestseller"


@dataclass(frozen=True)
class Learned:
    """Counts of one learning run, and when the newest of its baskets was placed."""

    baskets: int
    newest: datetime | None
    pairs: int
    category_pairs: int
    segment_cells: int


@dataclass(frozen=True)
class Candidate:
    """A product to show. `chance` estimates that the next basket holds it; `detail` completes `why`."""

    product_id: UUID
    name: str
    price_minor: int
    why: Why
    detail: str
    chance: float


@dataclass(frozen=True)
class Companion:
    """A product that goes with another. `lift` is its frequency over chance, shrunk where data are few."""

    product_id: UUID
    name: str
    price_minor: int
    why: Why
    detail: str
    together: int
    lift: float


@dataclass(frozen=True)
class Recommended:
    """Products to show. `personal` is false without consent: the products are then the bestsellers."""

    personal: bool
    products: list[Candidate]
