"""Tests of earning rules: which rules apply to a product, the points they give, and multipliers. Mostly without I/O."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.earning.calculation import grants
from app.earning.earners import Earner, Purchase, Scope, Stacking, by_target, covering, multiplies
from app.earning.rules import Method, Rule
from app.ids import new_id
from app.offers.models import Promotion, Subscription
from app.signing import Role
from tests.shop import Shop

NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
Calls = Callable[[Role, UUID], Any]


@dataclass(frozen=True)
class Thing:
    product_id: UUID = field(default_factory=new_id)
    vendor_id: UUID = field(default_factory=new_id)
    category_id: UUID = field(default_factory=new_id)
    brand: str = "Millrace"
    price_minor: int = 100
    return_window_days: int = 14

    def target(self, scope: Scope) -> str:
        named = {
            Scope.PRODUCT: self.product_id,
            Scope.BRAND: self.brand,
            Scope.CATEGORY: self.category_id,
            Scope.VENDOR: self.vendor_id,
            Scope.EVERYTHING: "",
        }
        return str(named[scope])


THING, OTHER = Thing(), Thing(brand="Other")


def rule(
    scope: Scope = Scope.EVERYTHING,
    target: str = "",
    method: Method = Method.RATE,
    amount: int = 5,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Rule:
    return Rule(new_id(), f"for {scope}", scope, target, method, amount, starts_at, ends_at)


def boost(percent: int, scope: Scope = Scope.EVERYTHING, target: str = "") -> Earner:
    gives = multiplies(percent)
    name = f"{percent} percent"
    return Earner(new_id(), name, scope, target, name, gives, on_top=True, stacking=Stacking.BEST_OF)


def counting(rules: Sequence[Rule], thing: Thing = THING) -> list[UUID]:
    """Return the ids of the rules that give points for one unit of a product."""
    earners = [
        earner for earner in covering(by_target([rule.earner(100, 100) for rule in rules]), thing) if earner.runs(NOW)
    ]
    return [grant.earner.earner_id for grant in grants(Purchase(1, thing, 1, 100), earners)]


def points(rule: Rule, boost: Earner, paid_minor: int, units: int) -> int:
    earners = [rule.earner(100, 100), boost] if boost.says != "100 percent" else [rule.earner(100, 100)]
    return sum(grant.points for grant in grants(Purchase(1, THING, units, paid_minor), earners))


@pytest.mark.parametrize("scopes", [list(Scope)[start:] for start in range(len(Scope))])
def test_the_most_particular_rule_counts_whatever_order_they_come_in(scopes: list[Scope]) -> None:
    rules = [rule(scope, THING.target(scope)) for scope in scopes]
    assert counting(rules) == counting(rules[::-1]) == [rules[0].rule_id]


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.EVERYTHING])
def test_a_rule_covers_its_target_and_nothing_else(scope: Scope) -> None:
    only = [rule(scope, THING.target(scope))]
    assert counting(only) == [only[0].rule_id]
    assert counting(only, OTHER) == []


def test_of_equal_rules_the_one_made_first_counts() -> None:
    first, second = sorted((rule(amount=5), rule(amount=50)), key=lambda candidate: candidate.rule_id)
    assert counting([second, first]) == [first.rule_id]


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "runs"),
    [
        (None, None, True),
        (NOW, None, True),
        (NOW + HOUR, None, False),
        (None, NOW, False),
        (None, NOW + HOUR, True),
        (NOW - HOUR, NOW, False),
    ],
)
def test_a_rule_runs_from_its_start_until_just_before_its_end(
    starts_at: datetime | None, ends_at: datetime | None, *, runs: bool
) -> None:
    wide = rule()
    narrow = rule(Scope.BRAND, "Millrace", starts_at=starts_at, ends_at=ends_at)
    assert counting([wide, narrow]) == [(narrow if runs else wide).rule_id]


@pytest.mark.parametrize(
    ("paid_minor", "percent", "expected"),
    [(349, 100, 17), (10, 100, 0), (30, 100, 2), (50, 100, 2), (70, 100, 4), (349, 200, 35), (10, 300, 2), (0, 200, 0)],
)
def test_a_rate_is_rounded_once_half_to_even(paid_minor: int, percent: int, expected: int) -> None:
    """At 5 points for 1.00, the exact results 0.5, 1.5, 2.5 and 3.5 are rounded to the even neighbour."""
    assert points(rule(amount=5), boost(percent), paid_minor, 1) == expected


EARNERS = st.lists(
    st.builds(
        lambda method, amount, stacking, priority, scope: replace(
            rule(scope, THING.target(scope), method, amount), stacking=stacking, priority=priority
        ).earner(100, 100),
        st.sampled_from(Method),
        st.integers(100, 1000),
        st.sampled_from(Stacking),
        st.integers(0, 2),
        st.sampled_from(Scope),
    ),
    max_size=6,
)


@given(EARNERS, st.data(), st.integers(0, 10_000), st.sampled_from([Fraction(0), Fraction(1, 3), Fraction(1)]))
def test_any_mix_of_rules_gives_the_same_in_whatever_order_they_come_and_never_takes(
    earners: list[Earner], data: st.DataObject, paid_minor: int, money_share: Fraction
) -> None:
    """A multiplier applies to the points of the basic rules, not to those of another multiplier."""
    bought = Purchase(1, THING, 2, paid_minor, money_share)
    granted = grants(bought, earners)
    assert grants(bought, data.draw(st.permutations(earners))) == granted
    assert all(grant.points >= 0 and grant.exact >= 0 for grant in granted)
    by_rules = sum(grant.exact for grant in granted if not grant.earner.on_top)
    assert all(grant.rule_points == by_rules for grant in granted if grant.earner.on_top)


@pytest.mark.parametrize(("units", "percent", "expected"), [(3, 100, 21), (3, 150, 32), (1, 150, 10), (5, 150, 52)])
def test_a_fixed_rule_gives_by_the_unit_whatever_is_paid(units: int, percent: int, expected: int) -> None:
    """A fixed rule gives points per unit; the exact results 31.5, 10.5 and 52.5 are rounded to the even neighbour."""
    assert points(rule(method=Method.FIXED, amount=7), boost(percent), 1, units) == expected


@given(st.integers(0, 10**9), st.integers(0, 1000), st.integers(101, 1000))
def test_a_boosted_rate_is_within_half_a_point_of_exact(paid_minor: int, amount: int, percent: int) -> None:
    exact = Fraction(paid_minor * amount * percent, 10_000)
    assert abs(points(rule(amount=amount), boost(percent), paid_minor, 1) - exact) <= Fraction(1, 2)


def test_the_best_boost_that_covers_counts_and_boosts_do_not_add_up() -> None:
    boosts = [boost(150), boost(300, Scope.BRAND, "Millrace"), boost(200), boost(900, Scope.BRAND, "Other")]

    def best(*given: Earner) -> list[Earner]:
        earners = covering(by_target([rule().earner(100, 100), *given]), THING)
        return [grant.earner for grant in grants(Purchase(1, THING, 1, 100), earners)][1:]

    assert best(*boosts) == [boosts[1]]
    assert best(boosts[0], boosts[3]) == [boosts[0]]
    assert best() == []


def test_explain_shows_rule_base_boost_rounding_and_window(shop: Shop, caller: Calls) -> None:
    member, product = shop.member(), shop.product(price_minor=333, return_window_days=30)
    shop.offer(Promotion(scope=Scope.BRAND, target="Millrace", percent=150))
    placed = shop.order(member, (product, 3))
    api = caller(Role.MEMBER, member)
    ruled, promoted = (api.get(f"/wallet/lots/{lot.lot_id}").json() for lot in placed.lots)
    rounding = "half to even, the line's sum once"
    window = {"return_window_days": 30, "window_ends_on": "2026-04-01"}
    same = {"base_minor": 999, "units": 3, "rounding": rounding, **window}
    assert ruled["explanation"] == {
        "rule": "Five points for every 1.00 paid",
        "gives": "5 for every 1.00 paid",
        "exact": "49.95",
        "points": 50,
        **same,
    }
    assert promoted["explanation"] == {
        "rule": "An offer",
        "gives": "150 percent of what the rules give",
        "rules_give": "49.95",
        "exact": "24.975",
        "points": 25,  # 74.925 in all
        **same,
    }
    assert (ruled["matures_on"], ruled["points"]) == ("2026-04-01", 50)
    other = caller(Role.MEMBER, shop.member())
    assert other.get(f"/wallet/lots/{placed.lots[0].lot_id}").status_code == 404


def test_promotions_count_while_they_run_and_where_they_cover(shop: Shop) -> None:
    member, promoted, plain = shop.member(), shop.product(brand="Oak"), shop.product()
    shop.offer(Promotion(scope=Scope.BRAND, target="Oak", percent=300), days=1)
    placed = shop.order(member, (promoted, 1), (plain, 1))
    assert [(lot.line, lot.points) for lot in placed.lots] == [(1, 5), (1, 10), (2, 5)]
    shop.tomorrow()
    assert [lot.points for lot in shop.order(member, (promoted, 1)).lots] == [5]


def test_a_subscription_multiplies_for_its_member_while_it_is_paid(shop: Shop) -> None:
    member, product = shop.with_points(100), shop.product()
    offer = shop.offer(Subscription(points=60, percent=200))
    shop.subscribe(member, offer)
    assert shop.wallet(member) == (0, 40)
    assert [lot.points for lot in shop.order(member, (product, 1)).lots] == [5, 5]
    assert [lot.points for lot in shop.order(shop.member(), (product, 1)).lots] == [5]
    shop.tomorrow(31)  # paid until 2 April; no night has run
    assert [lot.points for lot in shop.order(member, (product, 1)).lots] == [5]


def test_a_product_shows_what_it_earns_and_the_order_earns_just_that(shop: Shop, caller: Calls) -> None:
    product = shop.product(price_minor=777, return_window_days=3)
    shop.rule(9, Method.FIXED, Scope.PRODUCT, product)
    shown = caller(Role.MEMBER, new_id()).get(f"/products/{product}").json()
    placed = shop.order(shop.member(), (product, 1))
    assert (shown["earns"]["points"], shown["earns"]["confirmed_on"]) == (9, "2026-03-05")
    assert (placed.lots[0].points, placed.lots[0].matures_on) == (9, date(2026, 3, 5))


def test_an_admin_adds_a_rule_that_counts_from_then_on(shop: Shop, caller: Calls) -> None:
    admin, product = caller(Role.ADMIN, new_id()), shop.product()
    body = {"name": "Oak", "scope": "brand", "target": "Millrace", "method": "rate", "amount": 8}
    dated = {**body, "starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-04-01T00:00:00Z"}
    answer = admin.post("/rules", dated)
    assert answer.status_code == 201
    listed = admin.get("/rules").json()["rules"]
    assert [entry["amount"] for entry in listed if entry["rule_id"] == answer.json()["rule_id"]] == [8]
    assert shop.order(shop.member(), (product, 1)).lots[0].points == 8
    shop.clock.instant = datetime(2026, 4, 1, tzinfo=UTC)
    assert answer.json()["rule_id"] not in [entry["rule_id"] for entry in admin.get("/rules").json()["rules"]]


@pytest.mark.usefixtures("no_logs")
def test_a_rule_without_dates_runs_always(shop: Shop, caller: Calls) -> None:
    product = shop.product()
    body = {"name": "Oak", "scope": "brand", "target": "Millrace", "method": "rate", "amount": 8}
    answer = caller(Role.ADMIN, new_id()).post("/rules", body)
    assert (answer.status_code, answer.json()["starts_at"], answer.json()["ends_at"]) == (201, None, None)
    assert shop.order(shop.member(), (product, 1)).lots[0].points == 8
