"""Tests of the program's limits: they keep a mistaken rule or offer from starting, and cap the points while it runs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from app.earning.earners import Scope, Stacking
from app.earning.rules import Method
from app.ids import new_id
from app.offers.models import Bonus, Promotion, Voucher
from app.orders.models import Placed
from app.signing import Role
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
WHY = {"reason": "A test"}
START = {"to": "running", **WHY}
END = {"to": "ended", **WHY}
DATES = {"starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-04-01T00:00:00Z"}
ADDS = {"stacking": "adds"}


@pytest.fixture
def admin(caller: Calls) -> Any:
    return caller(Role.ADMIN, new_id())


@pytest.fixture
def second(caller: Calls) -> Any:
    return caller(Role.ADMIN, new_id())


def earned(placed: Placed, earner: object) -> int:
    return sum(lot.points for lot in placed.lots if str(lot.rule_id) == str(earner))


def fields(wrongs: list[dict[str, Any]]) -> list[str]:
    return [wrong["field"] for wrong in wrongs]


SLIPS = [
    ("rules", {"name": "Milk", "scope": "product", "method": "fixed", "amount": 1_000_000}, 2_000_000),
    ("rules", {"name": "Milk", "scope": "product", "method": "rate", "amount": 1_000_000}, 1_032_000_000),
    ("offers", {"name": "Ten times", "terms": {"kind": "promotion", "percent": 1_000}, **DATES}, 46_440),
    ("offers", {"name": "Milk", "terms": {"kind": "bonus", "points": 1_000_000}, **DATES}, 2_000_000),
]


@pytest.mark.parametrize(("group", "slip", "points"), SLIPS)
def test_a_slip_is_shown_by_its_simulation_waits_for_a_second_administrator_and_ends_at_once(
    shop: Shop, admin: Any, second: Any, group: str, slip: dict[str, Any], points: int
) -> None:
    """A mistake such as 1,032,000,000 points for two units at 516.00 shows in the simulation and needs an approval."""
    milk, member, kind = shop.product(price_minor=51_600), shop.member(), group[:-1]
    if slip.get("scope") == "product":
        slip = {**slip, "target": str(milk)}
    shop.order(member, (milk, 2))
    simulation = admin.post(f"/{group}/simulations", {kind: slip}).json()
    assert simulation["gift"]["points"] == points
    assert simulation["past_limits"]
    kept = admin.post(f"/{group}", slip).json()
    subject = kept[f"{kind}_id"]
    assert kept["state"] == "draft"
    assert admin.post(f"/{group}/simulations", {f"{kind}_id": subject}).json()["gift"] == simulation["gift"]
    refused = admin.post(f"/{group}/{subject}/transitions", START)
    assert (refused.status_code, refused.json()["type"].split(":")[-1]) == (409, "needs-approval")
    assert set(fields(refused.json()["errors"])) == set(fields(simulation["past_limits"]))
    assert second.post(f"/{group}/{subject}/approvals", WHY).status_code == 201
    started = admin.post(f"/{group}/{subject}/transitions", START).json()
    assert (started["state"], started["limited"]) == ("running", False)
    assert earned(shop.order(member, (milk, 2)), subject) == simulation["largest"]["points"]
    assert admin.post(f"/{group}/{subject}/transitions", END).status_code == 201
    assert earned(shop.order(member, (milk, 2)), subject) == 0


@pytest.mark.parametrize("target", ["Nobody's", "  ", ""])
def test_a_target_that_does_not_exist_is_told_by_the_simulation_and_never_starts(admin: Any, target: str) -> None:
    rule = {"name": "Nobody", "scope": "brand", "target": target, "method": "rate", "amount": 3}
    assert admin.post("/rules/simulations", {"rule": rule}).status_code == 422
    assert admin.post("/rules", rule).status_code == 422
    draft = admin.post("/rules", {**rule, "target": "Nobody's", "draft": True}).json()["rule_id"]
    for path in (f"/rules/{draft}/transitions", "/rules/simulations"):
        body = START if path.endswith("transitions") else {"rule_id": draft}
        answer = admin.post(path, body)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "unknown-target")


def test_what_the_limits_cannot_tell_by_the_content_they_tell_by_what_was_sold(shop: Shop, admin: Any) -> None:
    """A bonus of 1,000 points a unit is normal at a price of 100.00 but too much at 1.00, so past sales decide."""
    bonus = {"name": "Thousand", "terms": {"kind": "bonus", "points": 1_000, **ADDS}, **DATES}
    assert admin.post("/offers", bonus).json()["state"] == "running"
    shop.clock.advance(minutes=1)
    shop.order(shop.member(), (shop.product(price_minor=100), 1))
    kept = admin.post("/offers", bonus).json()
    assert (kept["state"], fields(kept["past_limits"])) == ("draft", ["most_percent"])
    assert kept["past_limits"][0]["message"] == "1000 is more than 200"
    shop.tomorrow(29)  # what was sold before the last four weeks counts no more
    later = {**bonus, "ends_at": "2026-06-01T00:00:00Z"}
    assert admin.post("/offers", later).json()["state"] == "running"


@pytest.mark.parametrize(
    ("limit", "most", "figure"),
    [("most_points_per_order", 29, 30), ("most_points_per_day", 39, 40), ("most_points_in_all", 49, 50)],
)
def test_each_limit_asks_for_a_second_administrator_by_what_was_sold(
    shop: Shop, admin: Any, limit: str, most: int, figure: int
) -> None:
    """An offer that would have exceeded a limit on past orders starts only after a second administrator's approval."""
    product, (ana, ben) = shop.product(price_minor=1_000), shop.members(2)
    shop.order(ana, (product, 3))
    shop.order(ben, (product, 1))
    shop.tomorrow()
    shop.order(ben, (product, 1))
    ten = {"name": "Ten", "terms": {"kind": "bonus", "points": 10, **ADDS}, **DATES}
    assert admin.patch("/program", {limit: figure}).status_code == 200
    assert admin.post("/offers", ten).json()["state"] == "running"
    assert admin.patch("/program", {limit: most}).status_code == 200
    kept = admin.post("/offers", ten).json()
    assert fields(kept["past_limits"]) == [limit]
    assert kept["past_limits"][0]["message"] == f"{figure} is more than {most}"
    shown = admin.get(f"/offers/{kept['offer_id']}").json()
    assert shown["past_limits"] == kept["past_limits"]


def limited_bonus(shop: Shop, points: int = 10, **more: Any) -> UUID:
    return shop.offer(Bonus(points=points, stacking=Stacking.ADDS, **more))


def test_what_runs_without_approval_keeps_to_the_most_of_an_order(shop: Shop) -> None:
    bonus = limited_bonus(shop)
    shop.program(most_points_per_order=25)
    product, other, member = shop.product(price_minor=1_000), shop.product(price_minor=1_000), shop.member()
    for _ in range(2):
        placed = shop.order(member, (product, 2), (other, 2))
        assert [lot.points for lot in placed.lots if lot.rule_id == bonus] == [20, 5]
    assert earned(shop.quote(member, (product, 9)), bonus) == 25


def test_what_runs_without_approval_keeps_to_the_most_of_a_day_and_what_came_back_is_free_again(shop: Shop) -> None:
    bonus = limited_bonus(shop)
    shop.program(most_points_per_day=25)
    product, (ana, ben) = shop.product(price_minor=1_000), shop.members(2)
    first = shop.order(ana, (product, 2))
    assert [earned(shop.order(ben, (product, 1)), bonus) for _ in range(2)] == [5, 0]
    shop.give_back(first, 1)
    assert earned(shop.order(ben, (product, 2)), bonus) == 10
    shop.tomorrow()
    assert earned(shop.order(ana, (product, 2)), bonus) == 20
    assert shop.disagreements() == []


@pytest.mark.parametrize(
    ("budget", "most", "given"), [(None, 25, [20, 5, 0]), (12, 25, [12, 0, 0]), (90, 7, [7, 0, 0])]
)
def test_what_runs_without_approval_keeps_to_the_most_in_all_and_to_its_own_budget(
    shop: Shop, budget: int | None, most: int, given: list[int]
) -> None:
    bonus = limited_bonus(shop, budget=budget)
    shop.program(most_points_in_all=most)
    product, member = shop.product(price_minor=1_000), shop.member()
    points = []
    for _ in given:
        points.append(earned(shop.order(member, (product, 2)), bonus))
        shop.tomorrow()
    assert points == given


def test_limits_that_are_changed_while_it_runs_count_from_the_next_order_on(shop: Shop) -> None:
    """Changed limits apply from the next order on, even if the points already given exceed them."""
    bonus = limited_bonus(shop)
    product, member = shop.product(price_minor=1_000), shop.member()
    given = []
    for most in (25, 15, 40, None):
        shop.program(most_points_per_day=most, most_points_in_all=most)
        given.append(earned(shop.order(member, (product, 2)), bonus))
    assert given == [20, 0, 20, 20]


@pytest.mark.parametrize("limit", ["most_points_per_order", "most_points_per_day", "most_points_in_all"])
def test_limits_hold_for_rules_vouchers_and_promotions_too(shop: Shop, limit: str) -> None:
    product, member = shop.product(price_minor=1_000), shop.member()
    rule = shop.rule(10, Method.FIXED, Scope.PRODUCT, product, stacking=Stacking.ADDS).rule_id
    promotion = shop.offer(Promotion(percent=200, stacking=Stacking.ADDS))
    voucher = shop.offer(Voucher(code="LIMIT", uses=9, percent=300, stacking=Stacking.ADDS))
    shop.program(**{limit: 7})
    placed = shop.order(member, (product, 1), voucher="LIMIT")
    assert [earned(placed, earner) for earner in (rule, promotion, voucher)] == [7, 7, 7]


def test_what_a_second_administrator_approved_is_not_limited_until_it_is_copied(
    shop: Shop, admin: Any, second: Any
) -> None:
    assert admin.patch("/program", {"most_points_per_order": 5}).status_code == 200
    product, member = shop.product(price_minor=1_000), shop.member()
    ten = {"name": "Ten", "terms": {"kind": "bonus", "points": 10, **ADDS}, "draft": True, **DATES}
    offer = admin.post("/offers", ten).json()["offer_id"]
    assert second.post(f"/offers/{offer}/approvals", WHY).status_code == 201
    assert admin.post(f"/offers/{offer}/transitions", START).json()["limited"] is False
    assert earned(shop.order(member, (product, 1)), offer) == 10
    for to in ("paused", "running"):  # what was approved stays approved
        assert admin.post(f"/offers/{offer}/transitions", {"to": to, **WHY}).status_code == 201
    assert earned(shop.order(member, (product, 1)), offer) == 10
    assert admin.post(f"/offers/{offer}/transitions", END).status_code == 201
    copied = admin.post(f"/offers/{offer}/copies", WHY).json()
    assert copied["limited"] is True
    assert admin.post(f"/offers/{copied['offer_id']}/transitions", START).status_code == 409


def test_what_came_with_the_schema_is_not_limited(shop: Shop) -> None:
    shop.program(most_points_per_order=1, most_points_per_day=1, most_points_in_all=1)
    placed = shop.order(shop.member(), (shop.product(price_minor=1_000), 1))
    assert [lot.points for lot in placed.lots] == [50]


def test_the_most_of_a_day_is_never_passed_by_many_at_once(shop: Shop) -> None:
    bonus = limited_bonus(shop)
    shop.program(most_points_per_day=95)
    product, members = shop.product(price_minor=1_000), shop.members(12)
    barrier = Barrier(len(members))

    def buy(member: UUID) -> Placed:
        barrier.wait()
        return shop.order(member, (product, 1))

    with ThreadPoolExecutor(len(members)) as pool:
        placed = list(pool.map(buy, members))
    assert sorted(earned(order, bonus) for order in placed) == [0, 0, 5, *[10] * 9]
    assert shop.disagreements() == []


def test_orders_and_returns_under_the_same_limits_never_wait_for_each_other_for_ever(shop: Shop) -> None:
    """Orders and returns lock the caps per day and in total in the same order, so they can't deadlock."""
    limited_bonus(shop)
    shop.program(most_points_per_day=500, most_points_in_all=500)
    product, members = shop.product(price_minor=1_000), shop.members(4)
    first = [shop.order(member, (product, 6)) for member in members]

    def trade(placed: Placed) -> None:
        for _ in range(6):
            shop.give_back(placed, 1)
            shop.order(placed.order.member_id, (product, 1))

    with ThreadPoolExecutor(len(members)) as pool:
        list(pool.map(trade, first))
    assert shop.disagreements() == []
