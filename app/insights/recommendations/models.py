"""Dataclasses of recommendations, and of the result of a learning run."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

MOST_BASKETS = 50_000
"""How many of the newest baskets (orders) to learn from; older ones are deleted."""
FEWEST_MEMBERS = 10
"""A product counts for a segment only if at least so many of its members bought it (k-anonymity)."""


class Why(StrEnum):
    """The kind of reason for which a product is recommended; AGAIN means that the member bought it before."""

    AGAIN = "again"
    TOGETHER = "together"
    SEGMENT = "segment"
    CATEGORY = "category"
    BESTSELLER = "bestseller"


@dataclass(frozen=True)
class Learned:
    """The result of a learning run: numbers of baskets read and of rows written, and the time of the newest basket."""

    baskets: int
    newest: datetime | None
    pairs: int
    category_pairs: int
    segment_cells: int


@dataclass(frozen=True)
class Suggestion:
    """A product to show, with the reason as a kind (`why`) and in words (`detail`)."""

    product_id: UUID
    name: str
    price_minor: int
    why: Why
    detail: str


@dataclass(frozen=True)
class Candidate(Suggestion):
    """A product to recommend to a member; `chance` estimates the probability that the member's next order has it."""

    chance: float


@dataclass(frozen=True)
class Companion(Suggestion):
    """A product often bought with a given product: `together` orders have both, `lift` times as many as by chance."""

    together: int
    lift: float


@dataclass(frozen=True)
class Recommended:
    """A member's recommendations; without the member's consent, the bestsellers, and `personal` is false."""

    personal: bool
    products: list[Candidate]
