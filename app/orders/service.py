"""Placing orders and taking returns. Everything about a line is frozen when it is bought."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from app import ledger
from app.catalog import service as catalog
from app.catalog.models import Product
from app.clock import Clock, FixedClock, local_date
from app.db import Session, WriteSession
from app.errors import BadInput, Conflict, FieldError, NotFound
from app.ids import new_id
from app.money import spread
from app.offers import service as offers
from app.offers.service import Boosting
from app.orders import repository
from app.orders.models import Line, LineDraft, Order, OrderDraft, Placed, Request, Return
from app.rewards import earning, redemption
from app.rewards import service as rewards
from app.rewards.earning import Purchase
from app.rewards.models import Program, Rule


def place(session: WriteSession, member_id: UUID, draft: OrderDraft, clock: Clock) -> Placed:
    """Hold stock, freeze prices, rule and return window on the lines, and book what they earn as pending.

    Raises BadInput (no such product, a product twice, more points than the order costs), OutOfStock, NotEnough, and
    NotFound where the member has not registered.
    """
    return place_all(session, [Request(member_id, draft, clock.now(), new_id())])[0]


def place_all(session: WriteSession, requests: Sequence[Request]) -> list[Placed]:
    """`place` for several orders, in as many statements as for one: all of them or, where one is refused, none."""
    units: Counter[UUID] = Counter()
    for request in requests:
        units.update({line.product_id: line.units for line in request.draft.lines})
    products = catalog.take(session, units)
    first, last = min(request.at for request in requests), max(request.at for request in requests)
    program, rules = rewards.terms(session, first, last)
    boosting = offers.boosting(session, [request.member_id for request in requests], first, last)
    placed = [_freeze(session, request, products, program, rules, boosting) for request in requests]
    repository.insert(session, placed)
    rewards.book(session, [lot for one in placed for lot in one.lots])
    ledger.append_all(session, "orders", [(one.order.order_id, _document(one)) for one in placed])
    return placed


def _freeze(
    session: WriteSession,
    request: Request,
    products: dict[UUID, Product],
    program: Program,
    rules: Sequence[Rule],
    boosting: Boosting,
) -> Placed:
    draft, today = request.draft, local_date(request.at, program.zone)
    _refuse_unknown(draft.lines, products)
    charges = [_charge(line, products[line.product_id]) for line in draft.lines]
    nets = [gross - discount for gross, discount in charges]
    by_points = _pay_with_points(session, request, sum(nets))
    lines = [
        _line(number, asked, products[asked.product_id], charge, points, today=today)
        for number, (asked, charge, points) in enumerate(
            zip(draft.lines, charges, spread(by_points, nets), strict=True), start=1
        )
    ]
    lots = earning.lots_for(
        [Purchase(line.line, products[line.product_id], line.units, line.paid_minor) for line in lines],
        rules,
        boosting.of(request.member_id, request.at, today),
        member_id=request.member_id,
        order_id=request.order_id,
        at=request.at,
        bought_on=today,
    )
    order = Order(
        order_id=request.order_id,
        member_id=request.member_id,
        placed_at=request.at,
        business_date=today,
        currency=program.currency,
        gross_minor=sum(line.gross_minor for line in lines),
        discount_minor=sum(line.discount_minor for line in lines),
        points_minor=by_points,
        paid_minor=sum(line.paid_minor for line in lines),
        points_spent=draft.pay_points,
        area=draft.area,
        reference=draft.reference,
    )
    return Placed(order, lines, lots)


def _refuse_unknown(asked: Sequence[LineDraft], products: dict[UUID, Product]) -> None:
    seen: set[UUID] = set()
    errors = []
    for place, line in enumerate(asked):
        if line.product_id not in products:
            errors.append(FieldError(f"lines.{place}.product_id", "unknown-product", "is not for sale"))
        if line.product_id in seen:
            errors.append(FieldError(f"lines.{place}.product_id", "twice", "is in the order twice: add the units up"))
        seen.add(line.product_id)
    if errors:
        raise BadInput("; ".join(f"{error.field} {error.message}" for error in errors), errors)


def _charge(asked: LineDraft, product: Product) -> tuple[int, int]:
    if asked.charge:
        return asked.charge.gross_minor, asked.charge.discount_minor
    return product.price_minor * asked.units, 0


def _pay_with_points(session: WriteSession, request: Request, price_minor: int) -> int:
    points = request.draft.pay_points
    if not points:
        return 0
    if redemption.worth(session, points) > price_minor:
        said = f"{points} points are worth more than the order's {price_minor}"
        raise BadInput(said, [FieldError("pay_points", "too-many", "pay with fewer points")])
    return redemption.at_checkout(session, request.member_id, request.order_id, points, FixedClock(request.at))


def _line(
    number: int, asked: LineDraft, product: Product, charge: tuple[int, int], points: int, *, today: date
) -> Line:
    gross, discount = charge
    return Line(
        line=number,
        product_id=product.product_id,
        vendor_id=product.vendor_id,
        units=asked.units,
        gross_minor=gross,
        discount_minor=discount,
        points_minor=points,
        paid_minor=gross - discount - points,
        return_window_days=product.return_window_days,
        matures_on=earning.matures_on(today, product),
    )


def _document(placed: Placed) -> dict[str, object]:
    earned = [{"lot": lot.lot_id, "line": lot.line, "points": lot.points, "rule": lot.rule_id} for lot in placed.lots]
    return {**placed.order.__dict__, "lines": placed.lines, "lots": earned}


def give_back(
    session: WriteSession,
    order_id: UUID,
    line: int,
    units: int,
    reason: str,
    clock: Clock,
    *,
    member_id: UUID | None = None,
    vendor_id: UUID | None = None,
) -> Return:
    """Take units of a line back and remove exactly their rewards.

    A member may return until the window frozen at the purchase ends; the line's vendor may accept units later too.
    Raises NotFound (also for another's order), BadInput (more than bought), Conflict (window over).
    """
    order = repository.order(session, order_id)
    found = repository.lock_line(session, order_id, line)
    if order is None or found is None or (member_id or order.member_id) != order.member_id:
        raise NotFound(f"there is no line {line} of an order {order_id} of yours")
    if vendor_id not in (None, found.vendor_id):
        raise NotFound(f"there is no line {line} of an order {order_id} that you sold")
    _may_return(session, found, units, clock, late=member_id is None)
    taken = rewards.take_back(
        session,
        order.member_id,
        order_id,
        line,
        units=units,
        returned_before=found.returned_units,
        bought=found.units,
        at=clock.now(),
    )
    returned = Return(new_id(), order_id, line, units, clock.now(), reason, taken.pending + taken.confirmed)
    repository.insert_return(session, returned)
    ledger.append(session, "returns", returned.return_id, {**returned.__dict__, "taken": taken})
    return returned


def _may_return(session: WriteSession, line: Line, units: int, clock: Clock, *, late: bool) -> None:
    left = line.units - line.returned_units
    if units > left:
        raise BadInput(
            f"{units} units can't come back: {line.units} were bought, {line.returned_units} are back already",
            [FieldError("units", "more-than-bought", f"at most {left}")],
        )
    today = local_date(clock.now(), rewards.program(session).zone)
    if today >= line.matures_on and not late:
        raise Conflict(
            f"the return window of {line.return_window_days} days ended with the day before {line.matures_on}"
        )


def order(session: Session, order_id: UUID, member_id: UUID) -> Placed:
    """Raises NotFound for another member's order too."""
    found = repository.order(session, order_id)
    if found is None or found.member_id != member_id:
        raise NotFound(f"you have no order {order_id}")
    return Placed(found, repository.lines(session, order_id), rewards.lots_of_order(session, order_id))


def returns(session: Session, order_id: UUID) -> list[Return]:
    return repository.returns_of(session, order_id)


def orders(session: Session, member_id: UUID, before: UUID | None, limit: int) -> list[Order]:
    """A member's orders, newest first."""
    return repository.orders_of(session, member_id, before, limit)


def top_departments(session: Session, member_id: UUID, limit: int) -> list[str]:
    """Where a member bought most units, returned ones not counted."""
    return repository.top_departments(session, member_id, limit)
