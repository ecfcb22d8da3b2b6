"""Candidates for discounts, and the measured effect of discounts."""

from dataclasses import dataclass
from uuid import UUID

from app.discounts.models import Mode


@dataclass(frozen=True)
class Candidate:
    """A product that sold less in the last day than in its four weeks, with its vendor's discount terms."""

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
    """Units sold over units expected in past hours, for discounted products and for the control group.

    `uplift` is the discounted ratio over the control's, with a 95 % interval; None if either sold nothing.
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
