"""Orders, their lines as frozen at the purchase, and returns. Money is in minor units."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from app.catalog.return_terms import ReturnReason, ReturnTerms
from app.program.models import ReturnPolicy
from app.wallet.models import Lot, LotState


@dataclass(frozen=True)
class Charge:
    """The gross amount and discount that a shop's till charged for an order line. Only imported orders have it."""

    gross_minor: int
    discount_minor: int


@dataclass(frozen=True)
class LineDraft:
    product_id: UUID
    units: int
    charge: Charge | None = None


@dataclass(frozen=True)
class Expected:
    """The price, points and return terms (as a fingerprint) that a member expects of an order. None is not compared."""

    paid_minor: int
    earns: int | None = None
    terms: str | None = None


@dataclass(frozen=True)
class OrderDraft:
    """An order as a member requests it; it is refused if its price, points or return terms differ from `expected`.

    `area` is the store or sales region. `reference` is the order's id in the system that it was imported from.
    """

    lines: tuple[LineDraft, ...]
    pay_points: int = 0
    area: str | None = None
    reference: str | None = None
    voucher: str | None = None
    expected: Expected | None = None


@dataclass(frozen=True)
class Request:
    """A member's order draft with the time of purchase and the new order's id."""

    member_id: UUID
    draft: OrderDraft
    at: datetime
    order_id: UUID


@dataclass(frozen=True)
class Line:
    """An order line with the return terms of its purchase. Lines from early releases have only a return window."""

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
    """An order line as it was bought, with its product's current category, department and brand."""

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
    """A return of units of an order line; `policy` (None: the program's) says which of their points it takes back."""

    line: int
    units: int
    at: datetime
    policy: ReturnPolicy | None = None


@dataclass(frozen=True, slots=True)
class Bought:
    """An order with its lines and its returns until now."""

    order_id: UUID
    member_id: UUID
    placed_at: datetime
    business_date: date
    lines: list[Sold]
    returns: Sequence[CameBack] = ()


@dataclass(frozen=True)
class Order:
    """An order. `paid_minor` is gross − discount − the part paid by points; each amount is the sum of its lines'."""

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
    """The points that a voucher adds to an order; if it adds none, `why` is the reason."""

    code: str
    points: int
    why: str | None


@dataclass(frozen=True)
class Placed:
    """An order with its lines and current points lots; `voucher` is set only when the order is placed or quoted."""

    order: Order
    lines: list[Line]
    lots: list[Lot]
    voucher: VoucherEffect | None = None

    @property
    def earned(self) -> dict[int, int]:
        """The points of each order line, by line number; points that returns took back are not counted."""
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
    """A return of units of an order line. It took back `points` in all: from lots, or as a debt of the member."""

    return_id: UUID
    order_id: UUID
    line: int
    units: int
    returned_at: datetime
    reason: str
    reason_code: ReturnReason | None
    points: int
