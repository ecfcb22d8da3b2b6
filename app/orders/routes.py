"""Routes of orders: quote, place and read them, and return units."""

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
from app.orders.models import Line as OrderLine
from app.orders.models import LineDraft, Order, OrderDraft, Placed, Return
from app.orders.quotes import PriceChanged, QuoteOver, TermsChanged
from app.paging import ById, Next
from app.problems import problems
from app.routing import Router
from app.signing import Role
from app.text import Line, NotFormula, Prose
from app.wiring import Db, Time

router = Router(prefix="/orders", tags=["orders"])

MOST_LINES, MOST_UNITS = 32_767, 2**31 - 1
"""Upper bounds of an order line's number and units, which imported orders may reach; QuoteIn allows less."""
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
        0, ge=0, le=MOST_POINTS, strict=True, description="points that pay part of the price, which earns nothing"
    )
    voucher: Line | None = Field(None, min_length=4, max_length=40, description="the code of a voucher to use")
    area: Annotated[Line, Field(max_length=40), NotFormula] | None = Field(
        None, description="the store or region, for reports of sales by area", examples=["store-31"]
    )

    def draft(self) -> OrderDraft:
        lines = tuple(LineDraft(line.product_id, line.units) for line in self.lines)
        return OrderDraft(lines, self.pay_points, self.area, voucher=self.voucher)


class OrderIn(QuoteIn):
    expected_total_minor: int | None = Field(
        None, ge=0, le=MOST_MINOR, strict=True, description="`paid_minor` as shown; any other total is refused"
    )
    quote_id: str | None = Field(
        None, max_length=quotes.LONGEST_ID, description="id of a quote of this order; any deviation is refused"
    )


@mirrors(OrderLine, without=("vendor_id", "matures_on"), first=("line", "product_id", "units", "returned_units"))
class OrderLineOut(BaseModel):
    return_terms: TermsOut = Field(description="return terms by kind, as frozen at the purchase")
    return_says: list[str] = Field(description="the return terms as sentences for the buyer")
    earns: int = Field(description="the line's points now, without those that returns took back")
    confirmed_on: date = Field(description="the day from which its points can be spent; the return window is over then")


class OrderVoucherOut(BaseModel):
    code: str
    points: int = Field(description="points that the voucher adds")
    why: str | None = Field(description="the reason if it adds no points, else null")


@mirrors(Order, without=("member_id", "reference"))
class OrderOut(BaseModel):
    earns: int
    lines: list[OrderLineOut]
    voucher: OrderVoucherOut | None = Field(description="the voucher's effect; null unless placing or quoting with one")

    @classmethod
    def of(cls, placed: Placed) -> "OrderOut":
        return cls.model_construct(**_shown(placed))


class QuoteOut(OrderOut):
    quote_id: str = Field(
        description="send it with the order, which is then refused unless price, points and return terms are the same"
    )
    holds_until: datetime


def _shown(placed: Placed) -> dict[str, Any]:
    """Return the fields of OrderOut, unvalidated, because validation would take as long as placing the order."""
    earned = placed.earned
    lines = [
        OrderLineOut.model_construct(
            **vars(line), return_says=line.return_terms.says, earns=earned[line.line], confirmed_on=line.matures_on
        )
        for line in placed.lines
    ]
    voucher = OrderVoucherOut.model_construct(**vars(placed.voucher)) if placed.voucher else None
    return {**vars(placed.order), "earns": sum(earned.values()), "lines": lines, "voucher": voucher}


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
        None, description="the reason as a code; required if the return terms accept certain reasons only"
    )


@mirrors(Return)
class ReturnOut(BaseModel):
    points: int = Field(description="the points that were taken back")


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
    """Places the order, and returns each line's points with the day from which they can be spent.

    If the order no longer matches the total or quote that the request names, the answer is 409: it states the current
    price and points, or that the return terms have changed.
    """

    def work(session: WriteSession) -> OrderOut:
        member_id, total = caller.subject, order.expected_total_minor
        draft = quotes.expected(member_id, order.draft(), total, order.quote_id, once.clock)
        return OrderOut.of(placing.place(session, member_id, draft, once.clock))

    return once(caller.key, work)


@router.post("/quote", summary="What would this order cost and earn?")
def quote_order(order: QuoteIn, caller: Member, db: Db, clock: Time) -> QuoteOut:
    """Returns the order as it would be placed now, and a quote id. Takes no units from stock and stores nothing.

    For 15 minutes, an order that names the quote id is placed at this price and with these points, or refused. If a
    voucher would add no points, the quote states the reason.
    """
    draft = order.draft()
    with db.snapshot() as session:
        placed = placing.quote(session, caller.subject, draft, clock)
    held = quotes.quote_of(placed, draft, clock)
    return QuoteOut.model_construct(**_shown(placed), quote_id=quotes.id_of(held), holds_until=held.until)


@router.get("", summary="Your orders, newest first")
def list_orders(caller: Member, paging: ById, db: Db) -> OrdersOut:
    """Returns the caller's orders in pages, newest first."""
    with db.read() as session:
        page = paging.page(partial(service.orders, session, caller.subject), "order_id")
    return OrdersOut(orders=[OrderSummaryOut.model_validate(order) for order in page.rows], next=page.next)


@router.get("/{order_id}", summary="One of your orders")
def get_order(order_id: UUID, caller: Member, db: Db) -> OrderOut:
    """Returns the order with its lines as they were bought, and the points that each line has now."""
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
    draft: ReturnIn,
    caller: Annotated[Caller, Depends(Allow(Role.MEMBER, Role.VENDOR))],
    once: OnlyOnce,
) -> Response:
    """Records that units of an order line came back. For a member, the return terms of the purchase must allow it.

    The vendor that sold the line may record any return. If a return is refused, the errors name the terms that are not
    met.
    """
    is_member = caller.may(Role.MEMBER)
    give = partial(
        service.give_back,
        reason_code=draft.reason_code,
        member_id=caller.subject if is_member else None,
        vendor_id=None if is_member else caller.subject,
    )
    return once(caller.key, lambda session: give(session, order_id, draft.line, draft.units, draft.reason, once.clock))


@router.get("/{order_id}/returns", summary="What came back of an order")
def list_returns(order_id: UUID, caller: Member, paging: ById, db: Db) -> ReturnsOut:
    """Returns the order's returns, oldest first."""
    with db.snapshot() as session:
        service.order(session, order_id, caller.subject)
        page = paging.page(partial(service.returns, session, order_id), "return_id")
    return ReturnsOut(returns=[ReturnOut.model_validate(returned) for returned in page.rows], next=page.next)
