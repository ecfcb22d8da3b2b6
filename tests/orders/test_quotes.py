"""Tests of quotes: an order costs and earns what its member saw, or it is refused with the current figures."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from app.earning.earners import Scope, Stacking
from app.ledger import service as journal
from app.offers.models import Bonus, Promotion, Subscription, Voucher
from app.signing import Role
from app.wallet import order_lots
from app.wallet.models import Lot
from app.wallet.payments_models import PaymentState
from tests.conftest import Seal
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
PROBLEM = "urn:rewards:problem:"


def lines(product: UUID, units: int = 1, **more: object) -> dict[str, object]:
    return {"lines": [{"product_id": str(product), "units": units}], **more}


@pytest.mark.parametrize("price", [999, 1_001, 9_900, 1])
@pytest.mark.parametrize("by", ["expected_total_minor", "quote_id"])
def test_a_changed_price_is_refused_with_the_new_total(shop: Shop, caller: Calls, by: str, price: int) -> None:
    vendor, member = shop.vendor(), shop.member()
    product = shop.product(vendor, price_minor=1_000)
    api = caller(Role.MEMBER, member)
    quoted = api.post("/orders/quote", lines(product, 2)).json()
    named = {"expected_total_minor": quoted["paid_minor"], "quote_id": quoted["quote_id"]}[by]
    shop.change(vendor, product, price_minor=price)
    before = shop.counts()
    refused = api.post("/orders", lines(product, 2, **{by: named}))
    assert (refused.status_code, refused.json()["type"]) == (409, PROBLEM + "price-changed")
    now = api.post("/orders/quote", lines(product, 2)).json()
    assert (refused.json()["paid_minor"], refused.json()["earns"]) == (2 * price, now["earns"])
    assert shop.counts() == before
    assert api.post("/orders", lines(product, 2, quote_id=now["quote_id"])).json()["paid_minor"] == 2 * price


@pytest.mark.parametrize(
    ("currency", "says"),
    [
        ("USD", "the order costs USD 24.00 now, not USD 20.00"),
        ("JPY", "the order costs JPY 2,400 now, not JPY 2,000"),
        ("KWD", "the order costs KWD 2.400 now, not KWD 2.000"),
    ],
)
def test_a_changed_price_is_said_in_the_currency(shop: Shop, caller: Calls, currency: str, says: str) -> None:
    shop.program(currency=currency)
    member, product = shop.member(), shop.product(price_minor=1_200)
    refused = caller(Role.MEMBER, member).post("/orders", lines(product, 2, expected_total_minor=2_000))
    assert (refused.status_code, refused.json()["detail"]) == (409, says)


def test_an_order_as_expected_is_placed(shop: Shop, caller: Calls) -> None:
    member, product = shop.with_points(100), shop.product(price_minor=1_000)
    api = caller(Role.MEMBER, member)
    wanted = lines(product, 1, pay_points=100)
    quoted = api.post("/orders/quote", wanted).json()
    both = {"expected_total_minor": 900, "quote_id": quoted["quote_id"]}
    placed = api.post("/orders", {**wanted, **both}).json()
    assert (placed["paid_minor"], placed["earns"]) == (quoted["paid_minor"], quoted["earns"]) == (900, 45)


def test_a_quote_holds_what_is_earned_too(shop: Shop, caller: Calls) -> None:
    member, product = shop.member(), shop.product(price_minor=1_000)
    api = caller(Role.MEMBER, member)
    quoted = api.post("/orders/quote", lines(product)).json()
    shop.rule(1, scope=Scope.PRODUCT, target=product)
    refused = api.post("/orders", lines(product, quote_id=quoted["quote_id"]))
    assert (refused.status_code, refused.json()["earns"]) == (409, 10)
    assert api.post("/orders", lines(product, expected_total_minor=1_000)).status_code == 201


def test_a_quote_holds_for_minutes_and_for_its_own_order_only(shop: Shop, caller: Calls) -> None:
    member, product = shop.member(), shop.product(price_minor=1_000)
    api, other = caller(Role.MEMBER, member), caller(Role.MEMBER, shop.member())
    quote_id = api.post("/orders/quote", lines(product)).json()["quote_id"]
    for asks, body in (
        (other, lines(product, quote_id=quote_id)),
        (api, lines(product, 2, quote_id=quote_id)),
        (api, lines(product, quote_id="none")),
        (api, lines(product, quote_id="ö")),
        (api, lines(product, quote_id=quote_id, expected_total_minor=999)),
    ):
        assert asks.post("/orders", body).status_code == 422
    shop.clock.advance(minutes=15)
    late = api.post("/orders", lines(product, quote_id=quote_id))
    assert (late.status_code, late.json()["type"]) == (409, PROBLEM + "quote-over")


def _covers_nothing(shop: Shop) -> UUID:
    return shop.product(price_minor=1_000)


def _costs_nothing(shop: Shop) -> UUID:
    return shop.product(price_minor=0, brand="Oak")


def _earns_more_by_a_promotion(shop: Shop) -> UUID:
    shop.offer(Promotion(percent=300, scope=Scope.BRAND, target="Oak"))
    return shop.product(price_minor=1_000, brand="Oak")


def _is_alone_with_an_exclusive_rule(shop: Shop) -> UUID:
    shop.rule(5, scope=Scope.BRAND, target="Oak", stacking=Stacking.EXCLUSIVE)
    return shop.product(price_minor=1_000, brand="Oak")


def _rounds_to_nothing(shop: Shop) -> UUID:
    return shop.product(price_minor=1, brand="Oak")


WITHOUT_EFFECT = [
    *(_covers_nothing, _costs_nothing, _earns_more_by_a_promotion),
    *(_is_alone_with_an_exclusive_rule, _rounds_to_nothing),
]


@pytest.mark.parametrize("product_of", WITHOUT_EFFECT)
def test_a_voucher_that_adds_nothing_is_refused_and_not_counted(
    shop: Shop, caller: Calls, product_of: Callable[[Shop], UUID]
) -> None:
    good = shop.product(price_minor=1_000, brand="Oak")
    shop.offer(Voucher(code="OAK-300", uses=1, percent=200, scope=Scope.BRAND, target="Oak"))
    product, api = product_of(shop), caller(Role.MEMBER, shop.member())
    wanted = lines(product, voucher="OAK-300")
    quoted = api.post("/orders/quote", wanted).json()
    assert (quoted["voucher"]["points"], bool(quoted["voucher"]["why"])) == (0, True)
    assert quoted["earns"] == api.post("/orders/quote", lines(product)).json()["earns"]
    refused = api.post("/orders", wanted)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "voucher")
    if product_of is _covers_nothing:
        assert api.post("/orders", lines(good, voucher="OAK-300")).json()["voucher"]["points"] == 50


def test_a_quote_says_that_a_voucher_is_used_up_and_earns_without_it(shop: Shop, caller: Calls) -> None:
    shop.offer(Voucher(code="OAK-300", uses=2, percent=300))
    product, api = shop.product(price_minor=1_000), caller(Role.MEMBER, shop.member())
    wanted = lines(product, voucher="OAK-300")
    assert api.post("/orders/quote", wanted).json()["voucher"] == {"code": "OAK-300", "points": 100, "why": None}
    assert api.post("/orders", wanted).json()["earns"] == 150
    quoted = api.post("/orders/quote", wanted).json()
    assert (quoted["earns"], quoted["voucher"]["points"]) == (50, 0)
    assert "used" in quoted["voucher"]["why"]
    assert api.post("/orders", wanted).status_code == 409


def test_an_order_of_200_lines_with_many_offers_is_journaled_whole(shop: Shop, caller: Calls) -> None:
    vendor, member = shop.vendor(), shop.member()
    products = [shop.product(vendor, price_minor=1_000, return_window_days=0) for _ in range(200)]
    for _ in range(8):
        shop.offer(Bonus(points=5, stacking=Stacking.ADDS))
    placed = shop.order(member, *[(product, 2) for product in products])
    assert len(placed.lots) == 1_800
    assert shop.disagreements() == []
    with shop.db.read() as session:
        held = session.rows(
            """SELECT json_array_elements(data -> 'items') FROM journal_revisions
               WHERE table_name = 'order_lots'"""
        )
    assert sorted((row[0] for row in held), key=lambda item: str(item["lot"])) == sorted(
        listed(placed.lots), key=lambda item: str(item["lot"])
    )
    shop.night()
    points = shop.wallet(member)[1]
    paid = shop.order(member, (shop.product(price_minor=points), 1), pay_points=points)
    assert (paid.order.paid_minor, shop.wallet(member)) == (0, (0, 0))
    assert shop.disagreements() == []


def listed(lots: Sequence[Lot]) -> list[dict[str, object]]:
    """Return lots as the ledger's documents list them."""
    return [{"lot": str(lot.lot_id), "line": lot.line, "points": lot.points, "rule": str(lot.rule_id)} for lot in lots]


def test_an_orders_document_lists_its_lots_whole(shop: Shop) -> None:
    placed = shop.order(shop.member(), (shop.product(), 1), (shop.product(), 3))
    with shop.db.read() as session:
        data = session.value("SELECT data FROM journal_revisions WHERE table_name = 'orders'")
    assert (len(placed.lots), data["lots"]) == (2, listed(placed.lots))


def test_each_lot_of_an_order_of_many_is_proven_by_the_document_that_names_it(
    shop: Shop, caller: Calls, seal: Seal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_lots, "MOST_IN_ORDER", 3)
    monkeypatch.setattr(journal, "_ITEMS_BYTES", 300)  # two lots to a document
    member = shop.member()
    api = caller(Role.MEMBER, member)
    placed = shop.order(member, *[(shop.product(), 1) for _ in range(5)])
    seal()
    proven = []
    for lot in placed.lots:
        proof = api.get(f"/wallet/lots/{lot.lot_id}/proof").json()["revision"]
        proven.append(proof["metadata"]["id"])
        assert str(lot.lot_id) in json.dumps(proof["data"])
    assert proven == [f"{placed.order.order_id}/{number}" for number in (0, 0, 1, 1, 2)]


def test_the_largest_order_is_bounded(shop: Shop, caller: Calls) -> None:
    most, admin = 10**12, caller(Role.ADMIN, shop.member())
    product, api = shop.product(price_minor=most), caller(Role.MEMBER, shop.member())
    refused = api.post("/orders", lines(product, 2))
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "too-much")
    placed = api.post("/orders", lines(product)).json()
    assert (placed["paid_minor"], placed["earns"]) == (most, most // 20)
    assert admin.get(f"/products/{product}").json()["earns"]["points"] == most // 20
    assert shop.disagreements() == []


LATE = [
    (Subscription(points=40, percent=200), 100, 1, 100),  # renews
    (Subscription(points=40, percent=200), 200, 70, 100),  # renews three times
    (Subscription(points=40, percent=200), 60, 1, 50),  # has not enough
    (Subscription(points=40, percent=200, grace_days=3), 60, 1, 100),  # waits in grace
    (Subscription(points=40, percent=200, grace_days=3), 60, 4, 50),  # no more
    (Subscription(price_minor=500, percent=200, grace_days=3), 100, 2, 100),  # waits for money
    (Subscription(price_minor=500, percent=200, grace_days=3), 100, 4, 50),
]


@pytest.mark.parametrize("late", [True, False], ids=["late", "punctual"])
@pytest.mark.parametrize(("club", "points", "days", "earns"), LATE)
def test_a_quote_foresees_what_is_due_in_the_wallet(
    shop: Shop, club: Subscription, points: int, days: int, earns: int, *, late: bool
) -> None:
    """A subscription due for renewal earns in the quote as in the order, even before the nightly calculation."""
    member, product = shop.with_points(points), shop.product(price_minor=1_000)
    shop.subscribe(member, shop.offer(club, days=400))
    for payment in shop.payments(member):
        shop.move(payment.payment_id, PaymentState.SETTLED)
    paid_until = shop.subscriptions(member)[0].paid_until
    to_its_end = (paid_until - shop.clock.now().date()).days
    for _ in range(to_its_end + days - 1):
        shop.tomorrow()
        if not late:
            shop.night()
    quoted = shop.quote(member, (product, 1))
    assert quoted.earns == shop.order(member, (product, 1)).earns == earns


def test_a_cancelled_subscription_is_not_foreseen_as_renewed(shop: Shop) -> None:
    member, product = shop.with_points(200), shop.product(price_minor=1_000)
    shop.cancel(shop.subscribe(member, shop.offer(Subscription(points=40, percent=200))))
    shop.tomorrow(40)
    assert (shop.quote(member, (product, 1)).earns, shop.order(member, (product, 1)).earns) == (50, 50)
