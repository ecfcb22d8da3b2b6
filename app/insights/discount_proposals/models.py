"""Dataclasses of discount candidates, and of the measured effect of hourly discounts."""

from dataclasses import dataclass
from uuid import UUID

from app.discounts.models import Mode


@dataclass(frozen=True)
class Candidate:
    """A product that sold less in the last day than on an average day of four weeks; and its vendor's discount terms.

    `expected` is how many units the product usually sells in an hour at the discount's time of day.
    """

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
    """Units sold and units expected in past hours, of discounted products and of the control group.

    `uplift` is sold/expected of the discounted products, divided by sold/expected of the control group; its 95 %
    interval is `low` to `high`. All three are None if either group sold nothing.
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
