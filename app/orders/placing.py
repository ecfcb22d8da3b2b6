"""Placing orders. Everything about a line is frozen when it is bought: price, rule, return terms."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from app import ledger
from app.catalog import service as catalog
from app.catalog.models import Product
from app.clock import Clock, FixedClock, local_date
from app.db import Session, WriteSession
from app.discounts import service as discounts
from app.discounts.service import Wanted
from app.earning import calculation as earning
from app.earning import caps
from app.earning.calculation import Grant
from app.earning.caps import Room
from app.earning.earners import Earner, Purchase
from app.errors import BadInput, FieldError
from app.ids import new_id
from app.money import MOST_MINOR, spread, written
from app.offers import due, redemption, terms
from app.offers import service as offers
from app.offers.models import Offer
from app.offers.terms import Terms
from app.orders import quotes, repository
from app.orders.models import Line, LineDraft, Order, OrderDraft, Placed, Request, VoucherEffect
from app.program.models import Program
from app.wallet import earned, order_lots
from app.wallet import service as wallets
from app.wallet.models import Lot


@dataclass(frozen=True)
class _Frozen:
    """An order as it will be, and what its lines are granted before caps."""

    order: Order
    lines: list[Line]
    grants: list[Grant]
    voucher: Offer | None

    def placed(self, room: Room) -> Placed:
        order = self.order
        lots = earned.lots_for(
            self.grants,
            room,
            member_id=order.member_id,
            order_id=order.order_id,
            at=order.placed_at,
            bought_on=order.business_date,
        )
        return Placed(order, self.lines, lots, _effect(self.voucher, lots) if self.voucher else None)


def _effect(voucher: Offer, lots: Sequence[Lot]) -> VoucherEffect:
    points = sum(lot.points for lot in lots if lot.rule_id == voucher.offer_id)
    why = None if points else "it adds nothing to what these lines earn"
    return VoucherEffect(offers.code_of(voucher), points, why)


def place(session: WriteSession, member_id: UUID, draft: OrderDraft, clock: Clock) -> Placed:
    """Hold stock, freeze prices, rule and return terms on the lines, and book what they earn as pending.

    Raises BadInput (no such product, a product twice, more points than the order costs, a total that is too large, no
    such voucher or one that adds nothing), OutOfStock, NotEnough, PriceChanged, Conflict (the voucher is used up), and
    NotFound where the member has not registered.
    """
    return place_all(session, [Request(member_id, draft, clock.now(), new_id())])[0]


def place_all(session: WriteSession, requests: Sequence[Request]) -> list[Placed]:
    """`place` for several orders, in as many statements as for one: all of them or, where one is refused, none."""
    units: Counter[UUID] = Counter()
    for request in requests:
        units.update({line.product_id: line.units for line in request.draft.lines})
    products = catalog.take(session, units)
    now = _up_to_date(session, requests)
    vouchers = [_voucher(session, request) for request in requests]
    frozen = [
        _freeze(request, products, now, voucher, _discounted(session, request, products, now))
        for request, voucher in zip(requests, vouchers, strict=True)
    ]
    room = caps.hold(session, _capped(frozen))
    placed = [draft.placed(room) for draft in frozen]
    for request, one in zip(requests, placed, strict=True):
        quotes.must_be_as_expected(one, request.draft.expected)
        _must_have_an_effect(one.voucher)
    caps.use(session, room)
    _take_what_they_pay_with(session, placed)
    repository.insert(session, placed)
    wallets.book(session, [lot for one in placed for lot in one.lots])
    _confirm_at_once(session, placed)
    _use_vouchers(session, placed, vouchers)
    ledger.append_all(session, "orders", [(one.order.order_id, _document(one)) for one in placed])
    for one in placed:
        order_lots.append(session, one.order.order_id, one.order.member_id, one.lots)
    return placed


def _up_to_date(session: WriteSession, requests: Sequence[Request]) -> Terms:
    """What earning goes by, once what is due in the buyers' wallets is written: a subscription may have renewed."""
    members = [request.member_id for request in requests]
    at = {request.member_id: request.at for request in requests}
    first_due = due.ask(session, at)
    now = terms.read(session, members)
    days = first_due()
    if not days:
        return now
    due.write_all(session, days, at)
    return terms.read(session, members)


def _confirm_at_once(session: WriteSession, placed: Sequence[Placed]) -> None:
    """Points of what has no return window can be spent from the purchase on."""
    at = {
        one.order.member_id: one.order.placed_at
        for one in placed
        if any(lot.matures_on <= one.order.business_date for lot in one.lots)
    }
    if at:
        due.write_now(session, at)


def quote(session: Session, member_id: UUID, draft: OrderDraft, clock: Clock) -> Placed:
    """The order that `place` would make now, with what it would earn; nothing is held. Raises BadInput as it does.

    A voucher that adds nothing or is used up is left out, and the answer says why.
    """
    request = Request(member_id, draft, clock.now(), new_id())
    products = catalog.for_sale(session, [line.product_id for line in draft.lines])
    now = terms.foreseen(session, member_id, request.at)
    discounted = _discounted(session, request, products, now)
    voucher = _voucher(session, request)
    used_up = voucher is not None and offers.voucher_is_used_up(session, voucher, member_id)
    frozen = _freeze(request, products, now, None if used_up else voucher, discounted)
    placed = frozen.placed(caps.look(session, _capped([frozen])))
    if voucher and used_up:
        effect = VoucherEffect(offers.code_of(voucher), 0, "it was used as often as it may be")
        return replace(placed, voucher=effect)
    return placed


def _must_have_an_effect(voucher: VoucherEffect | None) -> None:
    """Raises BadInput, so that no use of it is lost."""
    if voucher and not voucher.points:
        errors = [FieldError("voucher", "no-effect", "leave it out, or order what it is for")]
        raise BadInput(f"voucher {voucher.code} is not used: {voucher.why}", errors)


def _voucher(session: Session, request: Request) -> Offer | None:
    code = request.draft.voucher
    return offers.voucher(session, code, FixedClock(request.at)) if code else None


def _discounted(session: Session, request: Request, products: Mapping[UUID, Product], now: Terms) -> Mapping[UUID, int]:
    """Prices of this hour. A till's own charges are no business of theirs."""
    asked = [line for line in request.draft.lines if line.charge is None and line.product_id in products]
    deals = discounts.deals(session, now.version, now.program.zone, request.at) if asked else {}
    if not deals:
        return {}
    wanted = [Wanted(line.product_id, line.units, products[line.product_id].price_minor) for line in asked]
    return discounts.granted(session, deals, wanted)


def _capped(frozen: Sequence[_Frozen]) -> list[tuple[Earner, UUID, date]]:
    return [
        (grant.earner, draft.order.member_id, draft.order.business_date) for draft in frozen for grant in draft.grants
    ]


def _use_vouchers(session: WriteSession, placed: Sequence[Placed], vouchers: Sequence[Offer | None]) -> None:
    """Count their uses: after the wallets are written, in the order in which a return locks them."""
    for one, voucher in zip(placed, vouchers, strict=True):
        if voucher:
            offers.use_voucher(session, voucher, one.order.member_id)


def _take_what_they_pay_with(session: WriteSession, placed: Sequence[Placed]) -> None:
    for one in placed:
        order = one.order
        if order.points_spent:
            clock = FixedClock(order.placed_at)
            redemption.at_checkout(
                session, order.member_id, order.order_id, order.points_spent, order.points_minor, clock
            )


def _freeze(
    request: Request,
    products: Mapping[UUID, Product],
    now: Terms,
    voucher: Offer | None,
    discounted: Mapping[UUID, int],
) -> _Frozen:
    draft, program = request.draft, now.program
    today = local_date(request.at, program.zone)
    _refuse_unknown(draft.lines, products)
    charges = [_charge(line, products[line.product_id], discounted.get(line.product_id)) for line in draft.lines]
    _refuse_too_much(sum(gross for gross, _ in charges), program.currency)
    nets = [gross - discount for gross, discount in charges]
    by_points = _paid_by_points(program, draft.pay_points, sum(nets))
    lines = [
        _line(number, asked, products[asked.product_id], charge, points, today=today)
        for number, (asked, charge, points) in enumerate(
            zip(draft.lines, charges, spread(by_points, nets), strict=True), start=1
        )
    ]
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
    return _Frozen(order, lines, _grants(order, lines, products, now, voucher), voucher)


def _grants(
    order: Order, lines: Sequence[Line], products: Mapping[UUID, Product], now: Terms, voucher: Offer | None
) -> list[Grant]:
    named = offers.voucher_earner(voucher).within_limits(now.program) if voucher else None
    granted = []
    for line in lines:
        product = products[line.product_id]
        purchase = Purchase.of(
            *(line.line, product, line.units),
            gross_minor=line.gross_minor,
            discount_minor=line.discount_minor,
            points_minor=line.points_minor,
            base=now.program.earning_base,
        )
        earners = now.covering(product, order.placed_at, order.business_date, order.member_id, named)
        granted += earning.grants(purchase, earners)
    return granted


def _refuse_unknown(asked: Sequence[LineDraft], products: Mapping[UUID, Product]) -> None:
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


def _refuse_too_much(gross_minor: int, currency: str) -> None:
    if gross_minor > MOST_MINOR:
        most = written(MOST_MINOR, currency)
        errors = [FieldError("lines", "too-much", f"at most {most} in all")]
        raise BadInput(f"an order comes to at most {most}, this one to {written(gross_minor, currency)}", errors)


def _charge(asked: LineDraft, product: Product, discounted_minor: int | None) -> tuple[int, int]:
    """Gross and discount."""
    if asked.charge:
        return asked.charge.gross_minor, asked.charge.discount_minor
    gross = product.price_minor * asked.units
    return gross, 0 if discounted_minor is None else gross - discounted_minor * asked.units


def _paid_by_points(program: Program, points: int, price_minor: int) -> int:
    """In minor units."""
    if not points:
        return 0
    amount = redemption.worth(program, points, "pay_points")
    if amount > price_minor:
        message = f"{points} points are worth more than the order's {written(price_minor, program.currency)}"
        raise BadInput(message, [FieldError("pay_points", "too-many", "pay with fewer points")])
    return amount


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
        return_terms=product.return_terms,
    )


def _document(placed: Placed) -> dict[str, object]:
    return {**placed.order.__dict__, "lines": placed.lines, "lots": order_lots.in_order(placed.lots)}
