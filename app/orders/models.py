"""Orders and their lines, frozen as they were at the purchase. Money is in minor units."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from app.catalog.return_terms import ReturnReason, ReturnTerms
from app.program.models import ReturnPolicy
from app.wallet.models import Lot, LotState


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
class Expected:
    """What an order must come to in money, earn in points, and have of return terms; None means any.

    `terms` is their fingerprint.
    """

    paid_minor: int
    earns: int | None = None
    terms: str | None = None


@dataclass(frozen=True)
class OrderDraft:
    """What a member asks for. `area` is a store or region; `reference` is the name that a source gave the order.

    Where something is expected, the order is placed at just that or not at all.
    """

    lines: tuple[LineDraft, ...]
    pay_points: int = 0
    area: str | None = None
    reference: str | None = None
    voucher: str | None = None
    expected: Expected | None = None


@dataclass(frozen=True)
class Request:
    """A member's draft at the moment it counts; trusted imports bring the id that a source derives."""

    member_id: UUID
    draft: OrderDraft
    at: datetime
    order_id: UUID


@dataclass(frozen=True)
class Line:
    """`return_terms` were in force at the purchase; of a line from before they were kept, only `days` is known."""

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
    return_terms: ReturnTerms = field(default_factory=ReturnTerms)


@dataclass(frozen=True, slots=True)
class Sold:
    """An order line as it was bought. Category, department and brand are those of today's catalogue, which rules read.

    `returned_units` counts the returns up to now.
    """

    line: int
    product_id: UUID
    vendor_id: UUID
    category_id: UUID
    department: str
    brand: str
    units: int
    gross_minor: int
    discount_minor: int
    points_minor: int
    paid_minor: int
    return_window_days: int
    matures_on: date
    returned_units: int

    @property
    def price_minor(self) -> int:
        return self.gross_minor // self.units


@dataclass(frozen=True, slots=True)
class CameBack:
    """Units of a line that were returned, and when; `policy` is what its terms say of its points, None nothing."""

    line: int
    units: int
    at: datetime
    policy: ReturnPolicy | None = None


@dataclass(frozen=True, slots=True)
class Bought:
    """An order with its lines and what came back of it up to now."""

    order_id: UUID
    member_id: UUID
    placed_at: datetime
    business_date: date
    lines: list[Sold]
    returns: Sequence[CameBack] = ()


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
class VoucherEffect:
    """How many points a voucher adds to an order; where it adds none, `why`."""

    code: str
    points: int
    why: str | None


@dataclass(frozen=True)
class Placed:
    """An order with its lines and lots, as of now; with the voucher that was named when it was placed or quoted."""

    order: Order
    lines: list[Line]
    lots: list[Lot]
    voucher: VoucherEffect | None = None

    @property
    def earned(self) -> dict[int, int]:
        """Points by line that its lots hold; removed ones are not counted."""
        earned = dict.fromkeys((line.line for line in self.lines), 0)
        for lot in self.lots:
            if lot.line and lot.state not in (LotState.REMOVED, LotState.CLAWED_BACK):
                earned[lot.line] += lot.points
        return earned

    @property
    def earns(self) -> int:
        return sum(self.earned.values())


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
    reason_code: ReturnReason | None = None
