"""Place orders in one transaction: lock and read stock, wallets and terms, compute the orders, and write them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from app import ledger
from app.catalog import service as catalog
from app.catalog.models import Product
from app.clock import Clock, FixedClock
from app.db import Session, WriteSession
from app.discounts import service as discounts
from app.discounts.service import PricedLine
from app.earning import caps
from app.earning.caps import Room
from app.ids import new_id
from app.offers import due, redemption, terms
from app.offers import service as offers
from app.offers.models import Offer
from app.offers.terms import Terms
from app.orders import deciding, quotes, repository
from app.orders.deciding import Gathered
from app.orders.models import OrderDraft, Placed, Request, VoucherEffect
from app.wallet import order_lots
from app.wallet import service as wallets


def place(session: WriteSession, member_id: UUID, draft: OrderDraft, clock: Clock) -> Placed:
    """Place an order: take units from stock, freeze prices, rules and return terms, and book earned points as pending.

    Raises BadInput if a product is not for sale or named twice, if points exceed the price, if the total is too large,
    or if the voucher is unknown or adds nothing. Raises OutOfStock, NotEnough for too few points, PriceChanged or
    TermsChanged if the order is not as expected, Conflict if the voucher is used up, and NotFound if the member is not
    registered.
    """
    return place_all(session, [Request(member_id, draft, clock.now(), new_id())])[0]


def place_all(session: WriteSession, requests: Sequence[Request]) -> list[Placed]:
    """Place several orders; most steps take one SQL statement for all of them. If one is refused, none is placed."""
    gathered = _gather(session, requests)
    frozen = [deciding.freeze(facts) for facts in gathered]
    room = wallets.lock_caps(session, [capped for order in frozen for capped in order.capped])
    placed = [order.placed(room) for order in frozen]
    for request, order in zip(requests, placed, strict=True):
        quotes.must_be_as_expected(order, request.draft.expected)
        deciding.must_have_an_effect(order.voucher)
    _write(session, placed, room, [facts.voucher for facts in gathered])
    return placed


def _gather(session: WriteSession, requests: Sequence[Request]) -> list[Gathered]:
    """Take units from stock and discounts from budgets, apply due wallet changes, and read the terms and vouchers.

    Three queries that do not depend on each other are sent at once.
    """
    units: Counter[UUID] = Counter()
    for request in requests:
        units.update({line.product_id: line.units for line in request.draft.lines})
    members = [request.member_id for request in requests]
    at = {request.member_id: request.at for request in requests}
    taken = catalog.ask_to_take(session, units)
    first_due = due.ask(session, at)
    current_terms = terms.ask(session, members)
    products, days, now = taken(), first_due(), current_terms()
    if days:
        due.write_all(session, days, at)
        now = terms.read(session, members)  # a subscription may have renewed
    vouchers = [_voucher(session, request) for request in requests]
    return [
        Gathered(request, products, now, voucher, _discounted(session, request, products, now))
        for request, voucher in zip(requests, vouchers, strict=True)
    ]


def _write(session: WriteSession, placed: Sequence[Placed], room: Room, vouchers: Sequence[Offer | None]) -> None:
    """Write the orders. Lock wallets before vouchers' uses, as recording a return does, to avoid deadlocks."""
    caps.use(session, room)
    for order in (bought.order for bought in placed if bought.order.points_spent):
        clock = FixedClock(order.placed_at)
        redemption.at_checkout(session, order.member_id, order.order_id, order.points_spent, order.points_minor, clock)
    repository.insert(session, placed)
    wallets.book(session, [lot for order in placed for lot in order.lots])
    _confirm_at_once(session, placed)
    for bought, voucher in zip(placed, vouchers, strict=True):
        if voucher:
            offers.use_voucher(session, voucher, bought.order.member_id)
    ledger.append_all(session, "orders", [(bought.order.order_id, deciding.document(bought)) for bought in placed])
    for bought in placed:
        order_lots.append(session, bought.order.order_id, bought.order.member_id, bought.lots)


def _confirm_at_once(session: WriteSession, placed: Sequence[Placed]) -> None:
    """Confirm the points of order lines without a return window: they can be spent immediately."""
    at = {
        bought.order.member_id: bought.order.placed_at
        for bought in placed
        if any(lot.matures_on <= bought.order.business_date for lot in bought.lots)
    }
    if at:
        due.write_now(session, at)


def quote(session: Session, member_id: UUID, draft: OrderDraft, clock: Clock) -> Placed:
    """Return the order that `place` would create now, without taking units from stock. Raises BadInput as `place` does.

    A voucher that adds nothing or is used up has no effect, and the quote states the reason.
    """
    request = Request(member_id, draft, clock.now(), new_id())
    products = catalog.for_sale(session, [line.product_id for line in draft.lines])
    now = terms.foreseen(session, member_id, request.at)
    discounted = _discounted(session, request, products, now)
    voucher = _voucher(session, request)
    used_up = voucher is not None and offers.voucher_is_used_up(session, voucher, member_id)
    frozen = deciding.freeze(Gathered(request, products, now, None if used_up else voucher, discounted))
    placed = frozen.placed(caps.read(session, frozen.capped))
    if voucher and used_up:
        effect = VoucherEffect(offers.code_of(voucher), 0, "it was used as often as it may be")
        return replace(placed, voucher=effect)
    return placed


def _voucher(session: Session, request: Request) -> Offer | None:
    code = request.draft.voucher
    return offers.voucher(session, code, FixedClock(request.at)) if code else None


def _discounted(session: Session, request: Request, products: Mapping[UUID, Product], now: Terms) -> Mapping[UUID, int]:
    """Return the unit prices that this hour's discounts give, by product id; imported lines keep their own price."""
    listed = [line for line in request.draft.lines if line.charge is None and line.product_id in products]
    deals = discounts.deals(session, now.version, now.program.zone, request.at) if listed else {}
    if not deals:
        return {}
    wanted = [PricedLine(line.product_id, line.units, products[line.product_id].price_minor) for line in listed]
    return discounts.granted(session, deals, wanted)
