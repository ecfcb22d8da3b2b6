"""What is recommended, and why."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

MOST_BASKETS = 50_000
"""What is learned from: the newest baskets, however old; older ones are forgotten."""
FEWEST_MEMBERS = 10
"""Behind each product of a segment (k-anonymity)."""


class Why(StrEnum):
    AGAIN = "again"
    TOGETHER = "together"
    SEGMENT = "segment"
    CATEGORY = "category"
    BESTSELLER = "bestseller"


@dataclass(frozen=True)
class Learned:
    """How much was learned, from how many baskets, the newest of which was placed when."""

    baskets: int
    newest: datetime | None
    pairs: int
    category_pairs: int
    segment_cells: int


@dataclass(frozen=True)
class Candidate:
    """A product to show. `chance` is the estimated chance that the next basket holds it; `detail` completes `why`."""

    product_id: UUID
    name: str
    price_minor: int
    why: Why
    detail: str
    chance: float


@dataclass(frozen=True)
class Companion:
    """What goes with a product. `lift`: how many times more often than by chance, shrunk where little is known."""

    product_id: UUID
    name: str
    price_minor: int
    why: Why
    detail: str
    together: int
    lift: float


@dataclass(frozen=True)
class Recommended:
    """`personal` is false without consent: then it is what sells most."""

    personal: bool
    products: list[Candidate]
