"""What discounts are proposed out of, and what they did."""

from dataclasses import dataclass
from uuid import UUID

from app.discounts.models import Mode


@dataclass(frozen=True)
class Candidate:
    """A product whose last day lags behind its four weeks, with its vendor's terms."""

    vendor_id: UUID
    product_id: UUID
    list_minor: int
    floor_minor: int
    expected: float
    mode: Mode
    percent: int
    most_products: int
    budget_minor: int


@dataclass(frozen=True)
class Effect:
    """Discounted hours that are over, and the control's: units sold over units expected.

    `uplift` is how many times the control's ratio the discounted ratio is, with a 95 % interval; None where either
    sold nothing.
    """

    discounts: int
    sold: int
    expected: float
    given_minor: int
    controls: int
    control_sold: int
    control_expected: float
    uplift: float | None = None
    low: float | None = None
    high: float | None = None
