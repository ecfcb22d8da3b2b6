"""Hourly discounts.

Money is in minor units; an hour is a whole hour of the program's zone, identified by its beginning in UTC.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.states import Machine, Refused


class Mode(StrEnum):
    """Defines whether a vendor's discounts are not proposed, proposed for its approval, or approved at once."""

    OFF = "off"
    ASK = "ask"
    AUTO = "auto"


class DiscountState(StrEnum):
    """The state of a discount. `control` products were selected too, but keep their price for comparison."""

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

DISCOUNT: Machine[DiscountState, DiscountEvent] = Machine(
    "discount",
    DiscountState,
    DiscountEvent,
    starts=(DiscountState.PROPOSED, DiscountState.APPROVED, DiscountState.CONTROL),
    table={
        DiscountEvent.APPROVE: {
            DiscountState.PROPOSED: DiscountState.APPROVED,
            DiscountState.APPROVED: _DECIDED,
            DiscountState.DECLINED: _DECIDED,
            DiscountState.CONTROL: _CONTROL,
            DiscountState.STOPPED: _STOPPED,
        },
        DiscountEvent.DECLINE: {
            DiscountState.PROPOSED: DiscountState.DECLINED,
            DiscountState.APPROVED: _DECIDED,
            DiscountState.DECLINED: _DECIDED,
            DiscountState.CONTROL: _CONTROL,
            DiscountState.STOPPED: _STOPPED,
        },
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
    """The lowest price that the vendor accepts; only products with a floor are discounted."""

    product_id: UUID
    floor_minor: int


@dataclass(frozen=True)
class DiscountTerms:
    """A vendor's limits: percent off, products per hour, and total cost per hour."""

    vendor_id: UUID
    mode: Mode
    percent: int
    most_products: int
    budget_minor: int


@dataclass(frozen=True)
class Discount:
    """A product's discount in an hour.

    `expected` is the units sold at list price, from that hour in the four weeks before.
    """

    discount_id: UUID
    vendor_id: UUID
    product_id: UUID
    hour: datetime
    list_minor: int
    price_minor: int
    expected: float
    state: DiscountState


def lowest_price(list_minor: int, percent: int, floor_minor: int) -> int:
    """Return the list price less the percentage, but not below the floor."""
    return max(floor_minor, list_minor - list_minor * percent // 100)


@dataclass(frozen=True)
class Deal:
    """A discount of this hour at the checkout, with the vendor's current percentage and floor."""

    vendor_id: UUID
    product_id: UUID
    hour: datetime
    price_minor: int
    percent: int
    floor_minor: int

    def price(self, list_minor: int) -> int:
        """Return the price at the current list price: within percentage and floor, never above the list price.

        If the list price fell within the hour, the proposed discount price applies.
        """
        return min(list_minor, max(self.price_minor, lowest_price(list_minor, self.percent, self.floor_minor)))


@dataclass(frozen=True)
class Running:
    """A discount of this hour as shoppers see it."""

    product_id: UUID
    name: str
    list_minor: int
    price_minor: int
    until: datetime
