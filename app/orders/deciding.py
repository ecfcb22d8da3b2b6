"""Compute an order's amounts, lines and rewards, without I/O, from data that `app.orders.placing` has read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from app.catalog.models import Product
from app.clock import local_date
from app.earning import calculation as earning
from app.earning.calculation import Grant
from app.earning.caps import Room
from app.earning.earners import Earner, Purchase
from app.errors import BadInput, FieldError
from app.money import MOST_MINOR, spread, written
from app.offers import redemption
from app.offers import service as offers
from app.offers.models import Offer
from app.offers.terms import Terms
from app.orders.models import Line, LineDraft, Order, Placed, Request, VoucherEffect
from app.program.models import Program
from app.wallet import earned, order_lots
from app.wallet.models import Lot


@dataclass(frozen=True)
class Gathered:
    """The data from which an order is computed; `discounted` holds products' unit prices under this hour's discount."""

    request: Request
    products: Mapping[UUID, Product]
    terms: Terms
    voucher: Offer | None
    discounted: Mapping[UUID, int]


@dataclass(frozen=True)
class Frozen:
    """An order with its lines, and the points they earn (`grants`) before caps limit these points."""

    order: Order
    lines: list[Line]
    grants: list[Grant]
    voucher: Offer | None

    @property
    def capped(self) -> list[tuple[Earner, UUID, date]]:
        """The rules and offers that reward the lines, each with the buyer and the day to which its caps apply."""
        return [(grant.earner, self.order.member_id, self.order.business_date) for grant in self.grants]

    def placed(self, room: Room) -> Placed:
        """Return the order with its points lots, as far as caps allow; their points are subtracted from `room`."""
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


def freeze(gathered: Gathered) -> Frozen:
    """Compute the order's amounts, lines and uncapped rewards.

    Raises BadInput if a product is not for sale or named twice, points exceed the price, or the total is too large.
    """
    request, products, program = gathered.request, gathered.products, gathered.terms.program
    draft, discounted = request.draft, gathered.discounted
    today = local_date(request.at, program.zone)
    _refuse_unknown(draft.lines, products)
    charges = [_charge(line, products[line.product_id], discounted.get(line.product_id)) for line in draft.lines]
    _refuse_too_much(sum(gross for gross, _ in charges), program.currency)
    nets = [gross - discount for gross, discount in charges]
    by_points = _paid_by_points(program, draft.pay_points, sum(nets))
    lines = [
        _line(number, ordered, products[ordered.product_id], charge, points, today=today)
        for number, (ordered, charge, points) in enumerate(
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
    return Frozen(order, lines, _grants(order, lines, gathered), gathered.voucher)


def _grants(order: Order, lines: Sequence[Line], gathered: Gathered) -> list[Grant]:
    now, voucher = gathered.terms, gathered.voucher
    named = offers.voucher_earner(voucher).within_limits(now.program) if voucher else None
    granted = []
    for line in lines:
        product = gathered.products[line.product_id]
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


def _refuse_unknown(lines: Sequence[LineDraft], products: Mapping[UUID, Product]) -> None:
    seen: set[UUID] = set()
    errors = []
    for place, line in enumerate(lines):
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


def _charge(draft: LineDraft, product: Product, discounted_minor: int | None) -> tuple[int, int]:
    """Return an order line's gross amount and discount, in minor units."""
    if draft.charge:
        return draft.charge.gross_minor, draft.charge.discount_minor
    gross = product.price_minor * draft.units
    return gross, 0 if discounted_minor is None else gross - discounted_minor * draft.units


def _paid_by_points(program: Program, points: int, price_minor: int) -> int:
    if not points:
        return 0
    amount = redemption.worth(program, points, "pay_points")
    if amount > price_minor:
        message = f"{points} points are worth more than the order's {written(price_minor, program.currency)}"
        raise BadInput(message, [FieldError("pay_points", "too-many", "pay with fewer points")])
    return amount


def _line(
    number: int, draft: LineDraft, product: Product, charge: tuple[int, int], points: int, *, today: date
) -> Line:
    gross, discount = charge
    return Line(
        line=number,
        product_id=product.product_id,
        vendor_id=product.vendor_id,
        units=draft.units,
        gross_minor=gross,
        discount_minor=discount,
        points_minor=points,
        paid_minor=gross - discount - points,
        return_window_days=product.return_window_days,
        matures_on=earning.matures_on(today, product),
        return_terms=product.return_terms,
    )


def must_have_an_effect(voucher: VoucherEffect | None) -> None:
    """Raise BadInput if the voucher adds no points, so that it is not used up for nothing."""
    if voucher and not voucher.points:
        errors = [FieldError("voucher", "no-effect", "leave it out, or order what it is for")]
        raise BadInput(f"voucher {voucher.code} is not used: {voucher.why}", errors)


def document(placed: Placed) -> dict[str, object]:
    """Return the order with its lines and lots as the ledger records it."""
    return {**placed.order.__dict__, "lines": placed.lines, "lots": order_lots.in_order(placed.lots)}
