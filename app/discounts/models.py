"""Discounts by the hour. Money is in minor units; an hour is whole in the program's zone, named
by its beginning in UTC.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.states import Machine, Refused


class Mode(StrEnum):
    """What becomes of a proposal: nothing is proposed, the vendor is asked, or it counts at once."""

    OFF = "off"
    ASK = "ask"
    AUTO = "auto"


class DiscountState(StrEnum):
    """`control` was picked as well, but left at its price: what the others are compared with."""

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
    """The lowest price that the vendor takes; only products with one are ever discounted."""

    product_id: UUID
    floor_minor: int


@dataclass(frozen=True)
class DiscountTerms:
    """What a vendor allows: how many percent off, for how many products an hour, and what an hour may cost in all."""

    vendor_id: UUID
    mode: Mode
    percent: int
    most_products: int
    budget_minor: int


@dataclass(frozen=True)
class Discount:
    """`expected` is how many units the hour sells at the list price, by the same hour of the four weeks before."""

    discount_id: UUID
    vendor_id: UUID
    product_id: UUID
    hour: datetime
    list_minor: int
    price_minor: int
    expected: float
    state: DiscountState


def lowest_price(list_minor: int, percent: int, floor_minor: int) -> int:
    """The price that a discount leaves: so many percent off the list price, and never below the floor."""
    return max(floor_minor, list_minor - list_minor * percent // 100)


@dataclass(frozen=True)
class Deal:
    """A discount of this hour at the checkout, with the vendor's percent and floor as they are now."""

    vendor_id: UUID
    product_id: UUID
    hour: datetime
    price_minor: int
    percent: int
    floor_minor: int

    def price(self, list_minor: int) -> int:
        """At the list price as it is now: not past the percent, not below the floor, never above the list price.

        A list price that fell within the hour keeps the discounted price as it was proposed.
        """
        return min(list_minor, max(self.price_minor, lowest_price(list_minor, self.percent, self.floor_minor)))


@dataclass(frozen=True)
class Running:
    """A discount of this hour, for shoppers."""

    product_id: UUID
    name: str
    list_minor: int
    price_minor: int
    until: datetime
