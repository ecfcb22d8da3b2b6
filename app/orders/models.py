"""Orders and their lines, frozen as they were at the purchase. Money is in minor units."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.rewards.models import Lot


@dataclass(frozen=True)
class Charge:
    """What a till took for a line: only trusted imports bring their own; an order over the API pays the list price."""

    gross_minor: int
    discount_minor: int


@dataclass(frozen=True)
class LineDraft:
    product_id: UUID
    units: int
    charge: Charge | None = None


@dataclass(frozen=True)
class OrderDraft:
    """What a member asks for. `area` is a store or region; `reference` is the name that a source gave the order."""

    lines: tuple[LineDraft, ...]
    pay_points: int = 0
    area: str | None = None
    reference: str | None = None
    voucher: str | None = None


@dataclass(frozen=True)
class Request:
    """A member's draft at the moment it counts; trusted imports bring the id that a source derives."""

    member_id: UUID
    draft: OrderDraft
    at: datetime
    order_id: UUID


@dataclass(frozen=True)
class Line:
    line: int
    product_id: UUID
    vendor_id: UUID
    units: int
    gross_minor: int
    discount_minor: int
    points_minor: int
    paid_minor: int
    return_window_days: int
    matures_on: date
    returned_units: int = 0


@dataclass(frozen=True)
class Order:
    """`paid_minor` = gross − discount − what points paid. The lines sum to it."""

    order_id: UUID
    member_id: UUID
    placed_at: datetime
    business_date: date
    currency: str
    gross_minor: int
    discount_minor: int
    points_minor: int
    paid_minor: int
    points_spent: int
    area: str | None
    reference: str | None


@dataclass(frozen=True)
class Placed:
    order: Order
    lines: list[Line]
    lots: list[Lot]


@dataclass(frozen=True)
class Return:
    """`points` is what was taken back for it, pending and confirmed together."""

    return_id: UUID
    order_id: UUID
    line: int
    units: int
    returned_at: datetime
    reason: str
    points: int
