"""Placing an order, looking at it, giving units back."""

from datetime import date, datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from app.auth import Allow, Caller, Member
from app.catalog.return_terms import ReturnReason, TermsOut
from app.db import WriteSession
from app.errors import Conflict, NotEnough, NotFound, OutOfStock
from app.idempotency import OnlyOnce
from app.mirrors import mirrors
from app.money import MOST_MINOR, MOST_POINTS
from app.orders import placing, quotes, service
from app.orders.models import LineDraft, Order, OrderDraft, Placed
from app.orders.quotes import PriceChanged, QuoteOver, TermsChanged
from app.paging import ById, Next
from app.problems import problems
from app.routing import Router
from app.signing import Role
from app.text import Line, NotFormula, Prose
from app.wiring import Db, Time

router = Router(prefix="/orders", tags=["orders"])

MOST_LINES, MOST_UNITS = 32_767, 2**31 - 1
"""What a line's number and its units may be, those of tills included."""
_PRODUCT = "0197f0aa-5c1e-7b1f-9d43-6d1c1b7a2f10"


class OrderLineIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    product_id: UUID = Field(examples=[_PRODUCT])
    units: int = Field(gt=0, le=10_000, strict=True, examples=[2])


class QuoteIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"lines": [{"product_id": _PRODUCT, "units": 2}]}]}
    )
    lines: list[OrderLineIn] = Field(min_length=1, max_length=200)
    pay_points: int = Field(
        0, ge=0, le=MOST_POINTS, strict=True, description="points to pay a part with; that part earns nothing"
    )
    voucher: Line | None = Field(None, min_length=4, max_length=40, description="the code of a voucher to use")
    area: Annotated[Line, Field(max_length=40), NotFormula] | None = Field(
        None, description="the store or region, for area sales", examples=["store-31"]
    )

    def draft(self) -> OrderDraft:
        lines = tuple(LineDraft(line.product_id, line.units) for line in self.lines)
        return OrderDraft(lines, self.pay_points, self.area, voucher=self.voucher)


class OrderIn(QuoteIn):
    expected_total_minor: int | None = Field(
        None, ge=0, le=MOST_MINOR, strict=True, description="`paid_minor` as it was shown: at any other it is refused"
    )
    quote_id: str | None = Field(
        None, max_length=quotes.LONGEST_ID, description="of a quote for these lines: at another price it is refused"
    )


class OrderLineOut(BaseModel):
    line: int
    product_id: UUID
    units: int
    returned_units: int
    gross_minor: int
    discount_minor: int
    points_minor: int
    paid_minor: int
    return_window_days: int
    return_terms: TermsOut = Field(description="by kind, as frozen at the purchase")
    return_says: list[str] = Field(description="the same for who bought it")
    earns: int = Field(description="points that the line's rewards hold now, removed ones not counted")
    confirmed_on: date = Field(description="when its points can be spent, and the return window is over")


class OrderVoucherOut(BaseModel):
    code: str
    points: int = Field(description="what it adds")
    why: str | None = Field(description="why it adds nothing, or null")


@mirrors(Order, without=("member_id", "reference"))
class OrderOut(BaseModel):
    earns: int
    lines: list[OrderLineOut]
    voucher: OrderVoucherOut | None = Field(
        description="the voucher that was named as it was placed or quoted; else null"
    )

    @classmethod
    def of(cls, placed: Placed) -> "OrderOut":
        return cls.model_construct(**_shown(placed))


class QuoteOut(OrderOut):
    quote_id: str = Field(
        description="send it with the order to place it at this price, with these points and return terms only"
    )
    holds_until: datetime


def _shown(placed: Placed) -> dict[str, Any]:
    """The fields of an order: making their models by validation would cost as much as the order."""
    earned = placed.earned
    lines = [
        OrderLineOut.model_construct(
            **line.__dict__,
            return_says=line.return_terms.says,
            earns=earned[line.line],
            confirmed_on=line.matures_on,
        )
        for line in placed.lines
    ]
    voucher = OrderVoucherOut.model_construct(**vars(placed.voucher)) if placed.voucher else None
    return {**placed.order.__dict__, "earns": sum(earned.values()), "lines": lines, "voucher": voucher}


class OrderSummaryOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    order_id: UUID
    placed_at: datetime
    currency: str
    paid_minor: int
    points_spent: int


class OrdersOut(BaseModel):
    orders: list[OrderSummaryOut]
    next: Next


class ReturnIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    line: int = Field(ge=1, le=MOST_LINES, strict=True, examples=[1])
    units: int = Field(ge=1, le=MOST_UNITS, strict=True, examples=[1])
    reason: Prose = Field(min_length=1, max_length=500, examples=["too small"])
    reason_code: ReturnReason | None = Field(
        None, description="the same as return terms count it: needed where they name the reasons that count"
    )


class ReturnOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    return_id: UUID
    order_id: UUID
    line: int
    units: int
    returned_at: datetime
    reason: str
    reason_code: ReturnReason | None
    points: int = Field(description="what was taken back with it")


class ReturnsOut(BaseModel):
    returns: list[ReturnOut]
    next: Next


@router.post(
    "",
    status_code=201,
    summary="Place an order",
    response_model=OrderOut,
    responses=problems(NotFound, NotEnough, OutOfStock, PriceChanged, TermsChanged, QuoteOver),
)
def place_order(order: OrderIn, caller: Member, once: OnlyOnce) -> Response:
    """Holds the stock, freezes price, rule and return terms, and shows what each line earns and from when.

    Where a total or a quote is named, the order is placed at just that; else 409 names what it would cost and earn now,
    or says that it can be returned on other terms than were quoted.
    """

    def work(session: WriteSession) -> OrderOut:
        member_id, total = caller.subject, order.expected_total_minor
        draft = quotes.expected(member_id, order.draft(), total, order.quote_id, once.clock)
        return OrderOut.of(placing.place(session, member_id, draft, once.clock))

    return once(caller.key, work)


@router.post("/quote", summary="What would this order cost and earn?")
def quote_order(order: QuoteIn, caller: Member, db: Db, clock: Time) -> QuoteOut:
    """The order as it would be placed now, by the same calculation; its id holds it to that for 15 minutes.

    Nothing is held of stock or budgets, and nothing is kept. It says where a voucher would add nothing.
    """
    draft = order.draft()
    with db.snapshot() as session:
        placed = placing.quote(session, caller.subject, draft, clock)
    held = quotes.quote_of(placed, draft, clock)
    return QuoteOut.model_construct(**_shown(placed), quote_id=quotes.id_of(held), holds_until=held.until)


@router.get("", summary="Your orders, newest first")
def list_orders(caller: Member, asked: ById, db: Db) -> OrdersOut:
    """Pages go back in time."""
    with db.read() as session:
        page = asked.page(partial(service.orders, session, caller.subject), "order_id")
    return OrdersOut(orders=[OrderSummaryOut.model_validate(order) for order in page.rows], next=page.next)


@router.get("/{order_id}", summary="One of your orders")
def get_order(order_id: UUID, caller: Member, db: Db) -> OrderOut:
    """With its lines as they were bought, and what they earn now."""
    with db.snapshot() as session:
        return OrderOut.of(service.order(session, order_id, caller.subject))


@router.post(
    "/{order_id}/returns",
    status_code=201,
    summary="Give units back",
    response_model=ReturnOut,
    responses=problems(Conflict, service.ReturnRefused),
)
def return_units(
    order_id: UUID,
    asked: ReturnIn,
    caller: Annotated[Caller, Depends(Allow(Role.MEMBER, Role.VENDOR))],
    once: OnlyOnce,
) -> Response:
    """A member returns what the terms of the purchase allow; the vendor who sold the line may accept any of its units.

    A refusal's errors name the terms that are not met.
    """
    is_member = caller.may(Role.MEMBER)
    give = partial(
        service.give_back,
        reason_code=asked.reason_code,
        member_id=caller.subject if is_member else None,
        vendor_id=None if is_member else caller.subject,
    )
    return once(caller.key, lambda session: give(session, order_id, asked.line, asked.units, asked.reason, once.clock))


@router.get("/{order_id}/returns", summary="What came back of an order")
def list_returns(order_id: UUID, caller: Member, asked: ById, db: Db) -> ReturnsOut:
    """Oldest first."""
    with db.snapshot() as session:
        service.order(session, order_id, caller.subject)
        page = asked.page(partial(service.returns, session, order_id), "return_id")
    return ReturnsOut(returns=[ReturnOut.model_validate(returned) for returned in page.rows], next=page.next)
