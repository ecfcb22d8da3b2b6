"""Tests of placing orders: frozen prices and terms, reserved stock, and refusals that leave nothing behind."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from fractions import Fraction
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.earning.earners import Scope
from app.errors import BadInput, NotEnough, OutOfStock
from app.ids import new_id
from app.orders import placing
from app.orders.models import Charge, LineDraft, OrderDraft
from app.signing import Role
from app.wallet.models import LotState
from tests.conftest import Until
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]


def order_of(*lines: tuple[UUID, Any], **fields: Any) -> dict[str, Any]:
    return {"lines": [{"product_id": str(product_id), "units": units} for product_id, units in lines], **fields}


def test_an_order_shows_what_each_line_costs_earns_and_when_that_is_confirmed(shop: Shop, caller: Calls) -> None:
    product, other = shop.product(price_minor=349, return_window_days=30), shop.product(price_minor=1_000)
    answer = caller(Role.MEMBER, shop.member()).post("/orders", order_of((product, 2), (other, 1), area="store-31"))
    assert answer.status_code == 201
    placed = answer.json()
    assert (placed["gross_minor"], placed["discount_minor"], placed["paid_minor"]) == (1_698, 0, 1_698)
    assert (placed["business_date"], placed["currency"], placed["area"]) == ("2026-03-02", "USD", "store-31")
    assert [line["earns"] for line in placed["lines"]] == [35, 50]
    assert [line["confirmed_on"] for line in placed["lines"]] == ["2026-04-01", "2026-03-16"]
    assert placed["earns"] == 85


def test_price_rule_and_window_stay_as_they_were_bought(shop: Shop) -> None:
    vendor_id = shop.vendor()
    product = shop.product(vendor_id, price_minor=200, return_window_days=10)
    member = shop.member()
    placed = shop.order(member, (product, 2))
    shop.change(vendor_id, product, price_minor=900, return_window_days=0)
    shop.rule(50, scope=Scope.PRODUCT, target=product)
    shop.program(return_window_days=1)
    assert shop.look(placed) == placed
    assert (placed.order.paid_minor, placed.lots[0].points, placed.lots[0].matures_on) == (400, 20, date(2026, 3, 12))
    after = shop.order(member, (product, 2))
    assert (after.order.paid_minor, after.lots[0].points, after.lines[0].matures_on) == (1_800, 900, date(2026, 3, 2))


@pytest.mark.parametrize(
    ("instant", "bought_on", "matures_on"),
    [
        (datetime(2026, 7, 2, 3, 30, tzinfo=UTC), date(2026, 7, 1), date(2026, 7, 15)),  # 23:30 in New York
        (datetime(2026, 7, 2, 4, 0, tzinfo=UTC), date(2026, 7, 2), date(2026, 7, 16)),  # midnight there
    ],
)
def test_the_window_counts_from_the_day_in_the_programs_zone(
    shop: Shop, instant: datetime, bought_on: date, matures_on: date
) -> None:
    shop.clock.instant = instant
    placed = shop.order(shop.member(), (shop.product(return_window_days=14), 1))
    assert placed.order.business_date == bought_on
    assert [(lot.state, lot.matures_on) for lot in placed.lots] == [(LotState.PENDING, matures_on)]


def test_stock_is_held_and_too_little_names_the_product_and_leaves_no_row(shop: Shop, caller: Calls) -> None:
    scarce, plenty = shop.product(name="Scarce tea", stock=3), shop.product(name="Plain tea", stock=50)
    member = shop.member()
    shop.order(member, (scarce, 1))
    assert shop.on_hand(scarce) == 2
    before = shop.counts()
    answer = caller(Role.MEMBER, member).post("/orders", order_of((plenty, 5), (scarce, 3)))
    assert answer.status_code == 409
    assert answer.json()["type"].endswith("out-of-stock")
    assert "Scarce tea: 2 left, 3 asked" in answer.json()["detail"]
    assert "Plain tea" not in answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [str(scarce)]
    assert shop.counts() == before
    assert (shop.on_hand(scarce), shop.on_hand(plenty), shop.wallet(member)) == (2, 50, (5, 0))


def test_what_an_order_cannot_ask_is_refused_and_leaves_no_row(shop: Shop, caller: Calls) -> None:
    product, resting, other = shop.product(), shop.product(active=False), shop.product()
    member = caller(Role.MEMBER, shop.member())
    before = shop.counts()
    refused: list[tuple[dict[str, Any], str]] = [
        (order_of((new_id(), 1)), "lines.0.product_id"),
        (order_of((product, 1), (resting, 1)), "lines.1.product_id"),
        (order_of((product, 1), (other, 1), (product, 2)), "lines.2.product_id"),
        *[(order_of((product, units)), "body.lines.0.units") for units in (1.5, 1.0, -1, 0, "2", True, None, 10_001)],
        (order_of(), "body.lines"),
        (order_of((product, 1), pay_points=-1), "body.pay_points"),
        (order_of((product, 1), pay_points=1.5), "body.pay_points"),
        (order_of((product, 1), price=1), "body.price"),
    ]
    for body, field in refused:
        answer = member.post("/orders", body)
        assert answer.status_code == 422, body
        assert field in [error["field"] for error in answer.json()["errors"]], body
    assert shop.counts() == before
    assert shop.on_hand(product) == 1_000_000


def test_a_person_who_has_not_joined_cannot_order(shop: Shop, caller: Calls) -> None:
    product = shop.product(stock=5)
    before = shop.counts()
    answer = caller(Role.MEMBER, new_id()).post("/orders", order_of((product, 1)))
    assert (answer.status_code, "POST /members" in answer.json()["detail"]) == (404, True)
    assert (shop.counts(), shop.on_hand(product)) == (before, 5)


def test_another_members_order_is_not_found(shop: Shop, caller: Calls) -> None:
    placed = shop.order(shop.member(), (shop.product(), 1))
    other, path = caller(Role.MEMBER, shop.member()), f"/orders/{placed.order.order_id}"
    answers = [other.get(path), other.get(f"{path}/returns")]
    answers.append(other.post(f"{path}/returns", {"line": 1, "units": 1, "reason": "mine now"}))
    assert [answer.status_code for answer in answers] == [404, 404, 404]
    unknown = other.get(f"/orders/{new_id()}")
    assert (unknown.status_code, unknown.json()["type"]) == (404, answers[0].json()["type"])


def test_pages_of_orders_show_each_once_newest_first(shop: Shop, caller: Calls) -> None:
    member, product = shop.member(), shop.product()
    placed = {str(shop.order(member, (product, 1)).order.order_id) for _ in range(5)}
    shop.order(shop.member(), (product, 1))
    api, after = caller(Role.MEMBER, member), dict[str, str]()
    seen, pages = list[str](), list[int]()
    while True:
        page = api.get("/orders", limit=2, **after).json()
        seen += [order["order_id"] for order in page["orders"]]
        pages.append(len(page["orders"]))
        if page["next"] is None:
            break
        after = {"cursor": page["next"]}
    assert (pages, set(seen), seen) == ([2, 2, 1], placed, sorted(placed, reverse=True))
    assert api.get("/orders", limit=0).status_code == 422


def test_the_last_page_names_no_next_even_when_it_is_full(shop: Shop, caller: Calls) -> None:
    member, product = shop.member(), shop.product()
    for _ in range(2):
        shop.order(member, (product, 1))
    api = caller(Role.MEMBER, member)
    assert (api.get("/orders", limit=2).json()["next"], api.get("/wallet/lots", limit=2).json()["next"]) == (None, None)


def test_a_hundred_buyers_of_ten_things_buy_ten(shop: Shop) -> None:
    product, start = shop.product(stock=10), Barrier(10)
    buyers = shop.members(100)

    def buy(some: list[UUID]) -> int:
        start.wait()
        bought = 0
        for buyer in some:
            try:
                shop.order(buyer, (product, 1))
                bought += 1
            except OutOfStock:
                pass
        return bought

    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(buy, [buyers[at::10] for at in range(10)])) == 10
    assert shop.on_hand(product) == 0
    counts = shop.counts()
    assert (counts["orders"], counts["order_lines"], counts["lots"], counts["wallets"]) == (10, 10, 10, 10)
    assert shop.disagreements() == []


def test_the_part_that_points_pay_earns_nothing_and_lines_sum_to_the_order(shop: Shop) -> None:
    member = shop.with_points(301)
    placed = shop.order(member, (shop.product(price_minor=333), 1), (shop.product(price_minor=500), 2), pay_points=301)
    order, lines = placed.order, placed.lines
    assert (order.gross_minor, order.points_minor, order.paid_minor, order.points_spent) == (1_333, 301, 1_032, 301)
    assert [line.points_minor for line in lines] == [75, 226]  # 75.2 and 225.8: what is left over goes to the largest
    assert [line.paid_minor for line in lines] == [258, 774]
    assert [lot.points for lot in placed.lots] == [13, 39]  # 12.9 and 38.7
    assert shop.wallet(member) == (52, 0)
    assert shop.disagreements() == []


def test_an_order_that_points_pay_wholly_earns_nothing(shop: Shop, caller: Calls) -> None:
    member = shop.with_points(150)
    placed = shop.order(member, (shop.product(price_minor=50), 3), pay_points=150)
    assert (placed.order.paid_minor, placed.lots, shop.wallet(member)) == (0, [], (0, 0))
    (paid,) = caller(Role.MEMBER, member).get("/redemptions").json()["redemptions"]
    assert (paid["kind"], paid["state"], paid["points"], paid["amount_minor"], paid["order_id"]) == (
        *("checkout", "fulfilled", 150, 150),
        str(placed.order.order_id),
    )


_LINE = st.tuples(st.integers(0, 2_000), st.integers(0, 100), st.integers(1, 9))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(charged=st.lists(_LINE, min_size=1, max_size=12), share=st.integers(0, 100))
def test_lines_with_discounts_and_points_sum_to_the_order(
    shop: Shop, charged: list[tuple[int, int, int]], share: int
) -> None:
    """Each line has its own gross amount and discount in percent, as charged by a till; points pay a share."""
    charges = [Charge(gross, gross * percent // 100) for gross, percent, _ in charged]
    lines = tuple(
        LineDraft(shop.product(), units, charge) for (_, _, units), charge in zip(charged, charges, strict=True)
    )
    net = sum(charge.gross_minor - charge.discount_minor for charge in charges)
    member = shop.with_points(net + 1)
    with shop.db.write() as session:
        placed = placing.place(session, member, OrderDraft(lines, net * share // 100), shop.clock)
    for amount in ("gross_minor", "discount_minor", "points_minor", "paid_minor"):
        parts = [getattr(line, amount) for line in placed.lines]
        assert (sum(parts), {type(part) for part in parts}) == (getattr(placed.order, amount), {int})
        assert min(parts) >= 0
    assert placed.order.points_minor == net * share // 100
    earned = {lot.line: lot.points for lot in placed.lots}
    assert earned == {line.line: points for line in placed.lines if (points := round(Fraction(line.paid_minor, 20)))}
    assert shop.disagreements() == []


@pytest.mark.parametrize("cents", [20, 29])
def test_points_never_pay_more_of_a_line_than_it_costs(shop: Shop, cents: int) -> None:
    """An order of ten equal lines: more cents remain after rounding than one line has room for."""
    member = shop.with_points(cents)
    products = [shop.product(price_minor=3) for _ in range(10)]
    placed = shop.order(member, *[(product, 1) for product in products], pay_points=cents)
    assert sum(line.points_minor for line in placed.lines) == cents
    assert all(0 <= line.points_minor <= 3 for line in placed.lines)


def test_too_many_points_or_too_few_leave_wallet_and_stock_alone(shop: Shop) -> None:
    member, product = shop.with_points(100), shop.product(price_minor=99, stock=5)
    before = shop.counts()
    with pytest.raises(BadInput) as costs_less:
        shop.order(member, (product, 1), pay_points=100)
    assert [error.field for error in costs_less.value.errors] == ["pay_points"]
    with pytest.raises(NotEnough, match="101 points are needed, 100 are available"):
        shop.order(member, (product, 2), pay_points=101)
    shop.program(minor_per_100_points=50)
    with pytest.raises(BadInput, match="not worth a whole number"):
        shop.order(member, (product, 1), pay_points=1)
    assert {**shop.counts(), "journal_revisions": 0} == {**before, "journal_revisions": 0}
    assert (shop.wallet(member), shop.on_hand(product)) == ((0, 100), 5)
    assert shop.order(member, (product, 1), pay_points=100).order.points_minor == 50


def test_an_order_locks_the_wallet_before_its_caps_as_a_return_does(shop: Shop, until: Until) -> None:
    """Transactions that lock in opposite orders would wait for each other."""
    member, product = shop.member(), shop.product()
    rule = shop.rule(5, scope=Scope.PRODUCT, target=product, cap_member=1_000)
    shop.order(member, (product, 1))
    blocks = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
    with ThreadPoolExecutor(1) as thread:
        with shop.db.write() as returning:
            returning.run("SELECT FROM wallets WHERE member_id = %s FOR UPDATE", (member,))
            order = thread.submit(shop.order, member, (product, 1))
            until(lambda: returning.value(blocks))
            key = f"{rule.rule_id}%"
            caps = returning.rows("SELECT cap_key FROM cap_usage WHERE cap_key LIKE %s FOR UPDATE NOWAIT", (key,))
        assert order.result(timeout=10)
    assert caps
