"""Tests of rules and promotions together: stacking, caps, budgets and vouchers; a quote earns what its order earns."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from threading import Barrier
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.earning.earners import OverCap, Purchase, Scope, Stacking
from app.earning.rules import Method
from app.errors import BadInput, Conflict, NotAllowed, RewardsError
from app.ids import new_id
from app.offers import terms
from app.offers.models import Bonus, Earning, Item, Promotion, Subscription, Terms, Voucher
from app.orders.models import Placed
from app.program.models import EarningBase
from app.signing import Role
from tests.conftest import ADMIN, Opened
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]


def earned(placed: Placed) -> list[int]:
    return [lot.points for lot in placed.lots]


@pytest.mark.parametrize(
    ("method", "amount", "points"),
    [(Method.RATE, 7, 70), (Method.FIXED, 3, 6), (Method.CASH_BACK, 250, 25), (Method.CASH_BACK, 33, 3)],
)
def test_each_method_gives_what_it_says(shop: Shop, method: Method, amount: int, points: int) -> None:
    product = shop.product(price_minor=500)
    shop.rule(amount, method, Scope.PRODUCT, product)
    assert earned(shop.order(shop.member(), (product, 2))) == [points]


def test_a_multiplier_raises_what_the_rules_give_in_a_lot_of_its_own(shop: Shop) -> None:
    product = shop.product(price_minor=330)
    shop.rule(150, Method.MULTIPLIER, Scope.BRAND, "Millrace", stacking=Stacking.BEST_OF)
    placed = shop.order(shop.member(), (product, 1))
    assert earned(placed) == [16, 9]  # 16.5, then 24.75 in all
    assert placed.lots[1].explanation["gives"] == "150 percent of what the rules give"


def test_the_best_of_rivals_counts_and_those_that_add_come_on_top(shop: Shop) -> None:
    product = shop.product()
    shop.rule(9, scope=Scope.EVERYTHING, stacking=Stacking.BEST_OF)
    shop.rule(2, scope=Scope.PRODUCT, target=product)
    added = shop.rule(1, Method.FIXED, Scope.BRAND, "Millrace", stacking=Stacking.ADDS)
    placed = shop.order(shop.member(), (product, 1))
    assert earned(placed) == [9, 1]
    assert placed.lots[1].rule_id == added.rule_id


def test_an_exclusive_rule_counts_alone(shop: Shop) -> None:
    product = shop.product()
    shop.rule(1, scope=Scope.BRAND, target="Millrace", stacking=Stacking.EXCLUSIVE)
    shop.rule(50, scope=Scope.PRODUCT, target=product)
    shop.rule(4, Method.FIXED, stacking=Stacking.ADDS)
    shop.offer(Promotion(percent=300))
    assert earned(shop.order(shop.member(), (product, 1))) == [1]


def test_the_higher_priority_comes_first(shop: Shop) -> None:
    product = shop.product()
    shop.rule(50, scope=Scope.PRODUCT, target=product)
    shop.rule(2, priority=1)
    assert earned(shop.order(shop.member(), (product, 1))) == [2]


def test_overlapping_exclusive_rules_are_refused_with_the_field_named(shop: Shop) -> None:
    now = shop.clock.now()
    shop.rule(1, stacking=Stacking.EXCLUSIVE)
    with pytest.raises(BadInput) as refused:
        shop.rule(2, stacking=Stacking.EXCLUSIVE, starts_at=now + timedelta(days=9), ends_at=None)
    assert [error.field for error in refused.value.errors] == ["stacking"]
    shop.rule(2, stacking=Stacking.EXCLUSIVE, priority=1)
    shop.rule(3, stacking=Stacking.EXCLUSIVE, ends_at=now, starts_at=None)
    shop.product(brand="Oak")
    shop.rule(4, scope=Scope.BRAND, target="Oak", stacking=Stacking.EXCLUSIVE)
    with pytest.raises(BadInput):
        shop.rule(5, scope=Scope.BRAND, target="OAK", stacking=Stacking.EXCLUSIVE)


def test_the_base_is_gross_or_net_as_the_program_says(shop: Shop) -> None:
    """With either base, gross or net, the part of the price that is paid with points earns nothing."""
    member = shop.with_points(100)
    product = shop.product(price_minor=300)
    assert earned(shop.order(member, (product, 1), pay_points=60)) == [12]
    shop.program(earning_base=EarningBase.GROSS)
    assert earned(shop.order(member, (product, 1), pay_points=40)) == [13]


@pytest.mark.parametrize(("over", "third"), [(OverCap.REDUCE, [2]), (OverCap.REFUSE, [])])
def test_a_cap_reduces_or_refuses_as_the_rule_says(shop: Shop, over: OverCap, third: list[int]) -> None:
    product, member = shop.product(), shop.member()
    shop.rule(5, scope=Scope.PRODUCT, target=product, cap_member=12, over_cap=over)
    assert [earned(shop.order(member, (product, 1))) for _ in range(4)][:3] == [[5], [5], third]
    assert earned(shop.order(shop.member(), (product, 1))) == [5]
    assert shop.disagreements() == []


def test_a_daily_cap_begins_anew_with_the_business_day(shop: Shop) -> None:
    product, member = shop.product(), shop.member()
    shop.rule(5, scope=Scope.PRODUCT, target=product, cap_member_day=5)
    assert [earned(shop.order(member, (product, 1))) for _ in range(2)] == [[5], []]
    shop.tomorrow()
    assert earned(shop.order(member, (product, 1))) == [5]


def test_a_capped_lot_says_what_it_was_reduced_from(shop: Shop) -> None:
    product = shop.product()
    shop.rule(5, scope=Scope.PRODUCT, target=product, budget=3)
    assert shop.order(shop.member(), (product, 1)).lots[0].explanation["capped_from"] == 5


def test_what_comes_back_gives_its_room_back(shop: Shop) -> None:
    product, member = shop.product(), shop.member()
    shop.rule(5, scope=Scope.PRODUCT, target=product, cap_member_day=5, cap_member=7, budget=9)
    placed = shop.order(member, (product, 1))
    shop.give_back(placed, 1)
    assert earned(shop.order(member, (product, 1))) == [5]


def test_the_room_of_a_day_is_given_back_to_the_local_day_of_the_purchase(shop: Shop) -> None:
    shop.clock.instant = datetime(2026, 3, 3, 4, 59, tzinfo=UTC)  # 23:59 on the 2nd in New York
    product, member = shop.product(), shop.member()
    shop.rule(5, scope=Scope.PRODUCT, target=product, cap_member_day=5)
    placed = shop.order(member, (product, 1))
    shop.clock.advance(minutes=1)
    assert [earned(shop.order(member, (product, 1))) for _ in range(2)] == [[5], []]
    shop.give_back(placed, 1)
    assert earned(shop.order(member, (product, 1))) == []
    shop.clock.advance(minutes=-1)
    assert earned(shop.order(member, (product, 1))) == [5]


def test_buyers_at_once_never_earn_more_than_the_budget(shop: Shop) -> None:
    product, start = shop.product(), Barrier(8)
    shop.offer(Promotion(percent=200, budget=33))
    buyers = shop.members(8)

    def buy(member: UUID) -> int:
        start.wait()
        return sum(lot.points for _ in range(3) for lot in shop.order(member, (product, 1)).lots)

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(buy, buyers)) == 24 * 5 + 33
    assert shop.disagreements() == []


def test_a_voucher_of_three_uses_is_never_used_a_fourth_time(shop: Shop) -> None:
    product, start = shop.product(), Barrier(8)
    shop.offer(Voucher(code="SPRING", uses=3, percent=300))
    buyers = shop.members(8)

    def buy(member: UUID) -> list[int]:
        start.wait()
        try:
            return earned(shop.order(member, (product, 1), voucher="SPRING"))
        except Conflict:
            return []

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(buy, buyers)) == [[]] * 5 + [[5, 10]] * 3
    assert shop.counts()["orders"] == 3


def test_a_voucher_is_for_once_a_member_and_must_be_known(shop: Shop, caller: Calls) -> None:
    product, member = shop.product(), shop.member()
    shop.offer(Voucher(code="ONCE", uses=30))
    api, line = caller(Role.MEMBER, member), {"product_id": str(product), "units": 1}
    assert api.post("/orders", {"lines": [line], "voucher": "ONCE"}).json()["earns"] == 10
    before = shop.counts()
    assert api.post("/orders", {"lines": [line], "voucher": "ONCE"}).status_code == 409
    unknown = api.post("/orders", {"lines": [line], "voucher": "NONE"})
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "voucher")
    assert unknown.json()["detail"] == "there is no voucher NONE now"
    assert shop.counts() == before


class Weekend(Earning):
    """A kind of promotion that only this test defines: an extra point for every second unit."""

    kind: Literal["test_pairs"] = "test_pairs"

    def says(self) -> str:
        return "1 more for every second unit"

    def gives(self, purchase: Purchase, given: Fraction) -> Fraction:  # noqa: ARG002
        return Fraction(purchase.units // 2)


def test_a_new_kind_of_promotion_is_one_class_and_one_row(shop: Shop) -> None:
    assert Terms.KINDS["test_pairs"] is Weekend
    shop.offer(Weekend())
    placed = shop.order(shop.member(), (shop.product(), 5))
    assert (earned(placed), placed.lots[1].explanation["gives"]) == ([25, 2], "1 more for every second unit")


def test_promotions_stack_where_they_say_so(shop: Shop) -> None:
    shop.offer(Promotion(percent=200))
    shop.offer(Promotion(percent=150))
    shop.offer(Bonus(points=3, stacking=Stacking.ADDS))
    assert earned(shop.order(shop.member(), (shop.product(), 1))) == [5, 5, 3]


def test_an_item_for_subscribers_or_a_segment_is_for_them_alone(shop: Shop, caller: Calls) -> None:
    member = shop.with_points(200)
    club = shop.offer(Subscription(points=10))
    api = caller(Role.MEMBER, member)

    def redeem(item: Item) -> int:
        offer = shop.offer(item, on_hand=5)
        return int(api.post("/redemptions", {"kind": "item", "offer_id": str(offer)}).status_code)

    assert redeem(Item(points=1, subscribers_of=club)) == NotAllowed.status
    shop.subscribe(member, club)
    assert redeem(Item(points=1, subscribers_of=club)) == 201
    married = Item.model_validate({"points": 1, "marital_status": "married"})
    api.patch("/members/me", {"marital_status": "married"})
    assert redeem(married) == NotAllowed.status  # no consent yet
    api.put("/members/me/consent", {"recommendations": True})
    assert redeem(married) == 201


_TERMS: list[dict[str, Any]] = [
    {"method": Method.RATE, "amount": 9, "stacking": Stacking.BEST_OF},
    {"method": Method.FIXED, "amount": 2, "stacking": Stacking.ADDS, "cap_member": 7},
    {"method": Method.MULTIPLIER, "amount": 170, "budget": 11, "over_cap": OverCap.REFUSE},
    {"method": Method.CASH_BACK, "amount": 75, "cap_member_day": 4},
]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.lists(st.sampled_from(_TERMS), max_size=4),
    units=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    price_minor=st.integers(1, 999),
)
def test_a_quote_never_differs_from_what_is_then_earned(
    shop: Shop, chosen: list[dict[str, Any]], units: list[int], price_minor: int
) -> None:
    shop.product(brand="Quoted")
    for rule_terms in chosen:
        shop.rule(scope=Scope.BRAND, target="Quoted", **rule_terms)
    member = shop.member()
    lines = [(shop.product(price_minor=price_minor, brand="Quoted"), number) for number in units]
    for _ in range(2):
        before = shop.counts()
        quoted = shop.quote(member, *lines)
        assert shop.counts() == before
        placed = shop.order(member, *lines)
        promised, actual = (
            [(lot.line, lot.rule_id, lot.points, lot.matures_on) for lot in order.lots] for order in (quoted, placed)
        )
        assert promised == actual
    assert shop.disagreements() == []


def test_a_rule_of_a_transaction_that_was_undone_is_not_remembered(shop: Shop, opened: Opened) -> None:
    product = shop.product()
    with pytest.raises(RewardsError), opened(ADMIN).write() as session:
        session.run("UPDATE earning_rules SET amount = 90")
        terms.read(session)
        raise BadInput("undone")
    shop.rule(6, scope=Scope.PRODUCT, target=product)
    assert earned(shop.order(shop.member(), (product, 1))) == [6]
    assert earned(shop.order(shop.member(), (shop.product(), 1))) == [5]


def test_an_offers_days_are_the_programs(shop: Shop, caller: Calls) -> None:
    """An offer's days are in the program's time zone: 2 March begins in New York at 05:00 UTC, 9 March at 04:00 UTC."""
    days = {"starts_at": "2026-03-02", "ends_at": "2026-03-09"}
    body = {"name": "A week", "terms": {"kind": "promotion"}, **days}
    offer = caller(Role.ADMIN, new_id()).post("/offers", body).json()
    assert (offer["starts_at"], offer["ends_at"]) == ("2026-03-02T05:00:00Z", "2026-03-09T04:00:00Z")


def test_a_changed_program_counts_for_the_next_order(shop: Shop, caller: Calls) -> None:
    admin = caller(Role.ADMIN, new_id())
    assert earned(shop.order(shop.member(), (shop.product(), 1))) == [5]
    shop.rule(100, Method.CASH_BACK, priority=1)
    answer = admin.patch("/program", {"minor_per_100_points": 50})
    assert (answer.status_code, answer.json()["minor_per_100_points"]) == (200, 50)
    assert earned(shop.order(shop.member(), (shop.product(), 1))) == [2]
