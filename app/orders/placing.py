"""Placing orders: what an order needs is gathered and held, what it is is decided, then all of it is written."""

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
from app.orders.deciding import Frozen, Gathered
from app.orders.models import OrderDraft, Placed, Request, VoucherEffect
from app.wallet import order_lots
from app.wallet import service as wallets


def place(session: WriteSession, member_id: UUID, draft: OrderDraft, clock: Clock) -> Placed:
    """Hold stock, freeze prices, rule and return terms on the lines, and book what they earn as pending.

    Raises BadInput (no such product, a product twice, more points than the order costs, a total that is too large, no
    such voucher or one that adds nothing), OutOfStock, NotEnough, PriceChanged, Conflict (the voucher is used up), and
    NotFound where the member has not registered.
    """
    return place_all(session, [Request(member_id, draft, clock.now(), new_id())])[0]


def place_all(session: WriteSession, requests: Sequence[Request]) -> list[Placed]:
    """`place` for several orders, in as many statements as for one: all of them or, where one is refused, none."""
    gathered = _gather(session, requests)
    frozen = [deciding.freeze(facts) for facts in gathered]
    room = wallets.lock_caps(session, [capped for order in frozen for capped in order.capped])
    placed = _decide(requests, frozen, room)
    _write(session, placed, room, [facts.voucher for facts in gathered])
    return placed


def _gather(session: WriteSession, requests: Sequence[Request]) -> list[Gathered]:
    """Take the stock, bring the buyers' wallets up to date, and read what the orders cost and earn.

    Takes the discounts' budgets too. Three questions go out together, as none of them needs another's answer.
    """
    units: Counter[UUID] = Counter()
    for request in requests:
        units.update({line.product_id: line.units for line in request.draft.lines})
    members = [request.member_id for request in requests]
    at = {request.member_id: request.at for request in requests}
    taken = catalog.ask_to_take(session, units)
    first_due = due.ask(session, at)
    answered = terms.ask(session, members)
    products, days, now = taken(), first_due(), answered()
    if days:
        due.write_all(session, days, at)
        now = terms.read(session, members)  # a subscription may have renewed
    vouchers = [_voucher(session, request) for request in requests]
    return [
        Gathered(request, products, now, voucher, _discounted(session, request, products, now))
        for request, voucher in zip(requests, vouchers, strict=True)
    ]


def _decide(requests: Sequence[Request], frozen: Sequence[Frozen], room: Room) -> list[Placed]:
    """Raises BadInput for a voucher without effect, PriceChanged, TermsChanged. `room` has less afterwards."""
    placed = [order.placed(room) for order in frozen]
    for request, order in zip(requests, placed, strict=True):
        quotes.must_be_as_expected(order, request.draft.expected)
        deciding.must_have_an_effect(order.voucher)
    return placed


def _write(session: WriteSession, placed: Sequence[Placed], room: Room, vouchers: Sequence[Offer | None]) -> None:
    """Wallets before the uses of vouchers: a return locks them in that order too."""
    caps.use(session, room)
    _take_what_they_pay_with(session, placed)
    repository.insert(session, placed)
    wallets.book(session, [lot for order in placed for lot in order.lots])
    _confirm_at_once(session, placed)
    _use_vouchers(session, placed, vouchers)
    ledger.append_all(session, "orders", [(order.order.order_id, deciding.document(order)) for order in placed])
    for order in placed:
        order_lots.append(session, order.order.order_id, order.order.member_id, order.lots)


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
    """Prices of this hour. A till's own charges are no business of theirs."""
    listed = [line for line in request.draft.lines if line.charge is None and line.product_id in products]
    deals = discounts.deals(session, now.version, now.program.zone, request.at) if listed else {}
    if not deals:
        return {}
    wanted = [PricedLine(line.product_id, line.units, products[line.product_id].price_minor) for line in listed]
    return discounts.granted(session, deals, wanted)


def _use_vouchers(session: WriteSession, placed: Sequence[Placed], vouchers: Sequence[Offer | None]) -> None:
    """Count their uses: after the wallets are written, in the order in which a return locks them."""
    for order, voucher in zip(placed, vouchers, strict=True):
        if voucher:
            offers.use_voucher(session, voucher, order.order.member_id)


def _take_what_they_pay_with(session: WriteSession, placed: Sequence[Placed]) -> None:
    for one in placed:
        order = one.order
        if order.points_spent:
            clock = FixedClock(order.placed_at)
            redemption.at_checkout(
                session, order.member_id, order.order_id, order.points_spent, order.points_minor, clock
            )
