"""Hourly discounts of products. Money is in minor units; an hour is given by its start in UTC."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.states import Machine, Refused


class Mode(StrEnum):
    """What a vendor chose: no discounts (`off`), to approve each discount (`ask`), or automatic approval (`auto`)."""

    OFF = "off"
    ASK = "ask"
    AUTO = "auto"


class DiscountState(StrEnum):
    """The state of a discount. `control` means that the product is in the control group and keeps its list price."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    DECLINED = "declined"
    CONTROL = "control"
    STOPPED = "stopped"


class DiscountEvent(StrEnum):
    APPROVE = "approve"
    DECLINE = "decline"
    STOP = "stop"


_CONTROL = Refused("it is a control, which is left at its price")
_DECIDED = Refused("it was decided already")
_STOPPED = Refused("it was stopped")
_UNDECIDABLE = {
    DiscountState.APPROVED: _DECIDED,
    DiscountState.DECLINED: _DECIDED,
    DiscountState.CONTROL: _CONTROL,
    DiscountState.STOPPED: _STOPPED,
}
"""The states in which a discount can be neither approved nor declined, with the reasons."""

DISCOUNT: Machine[DiscountState, DiscountEvent] = Machine(
    "discount",
    DiscountState,
    DiscountEvent,
    starts=(DiscountState.PROPOSED, DiscountState.APPROVED, DiscountState.CONTROL),
    table={
        DiscountEvent.APPROVE: {DiscountState.PROPOSED: DiscountState.APPROVED, **_UNDECIDABLE},
        DiscountEvent.DECLINE: {DiscountState.PROPOSED: DiscountState.DECLINED, **_UNDECIDABLE},
        DiscountEvent.STOP: {
            DiscountState.PROPOSED: DiscountState.STOPPED,
            DiscountState.APPROVED: DiscountState.STOPPED,
            DiscountState.DECLINED: Refused("it was declined"),
            DiscountState.CONTROL: _CONTROL,
            DiscountState.STOPPED: _STOPPED,
        },
    },
)


@dataclass(frozen=True)
class Floor:
    """The lowest price of a product that its vendor accepts; products without such a floor are not discounted."""

    product_id: UUID
    floor_minor: int


@dataclass(frozen=True)
class DiscountTerms:
    """A vendor's settings for discounts: mode, percentage, maximum number of products per hour, and budget per hour."""

    vendor_id: UUID
    mode: Mode
    percent: int
    most_products: int
    budget_minor: int


@dataclass(frozen=True)
class Discount:
    """A product's discount for one hour. `expected` is the forecast of units that would be sold at list price."""

    discount_id: UUID
    vendor_id: UUID
    product_id: UUID
    hour: datetime
    list_minor: int
    price_minor: int
    expected: float
    state: DiscountState


def lowest_price(list_minor: int, percent: int, floor_minor: int) -> int:
    """Return the price after a discount: the list price less the percentage, but not below the floor."""
    return max(floor_minor, list_minor - list_minor * percent // 100)


@dataclass(frozen=True)
class Deal:
    """An approved discount, with the vendor's percentage and floor, from which the checkout computes the price."""

    vendor_id: UUID
    product_id: UUID
    hour: datetime
    price_minor: int
    percent: int
    floor_minor: int

    def price(self, list_minor: int) -> int:
        """Return the discounted price; the list price may have changed since the discount was proposed.

        It is the proposed price, the list price less the percentage, or the floor, whichever is highest, but never
        more than the list price.
        """
        return min(list_minor, max(self.price_minor, lowest_price(list_minor, self.percent, self.floor_minor)))


@dataclass(frozen=True)
class Running:
    """A discount of the current hour, as shown to shoppers."""

    product_id: UUID
    name: str
    list_minor: int
    price_minor: int
    until: datetime
