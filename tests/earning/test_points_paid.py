"""Tests that points are earned only by the part of an order line that is paid with money, not by free lines."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.earning.calculation import grants
from app.earning.earners import Earner, Purchase, Scope, Stacking
from app.earning.rules import Method, Rule
from app.ids import new_id
from app.offers.models import Bonus, Earning, Offer, Promotion, Subscription, Voucher
from app.program.models import EarningBase
from app.signing import Role
from tests.earning.test_earning import NOW, THING
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]

_METHODS = st.sampled_from([Method.RATE, Method.FIXED, Method.CASH_BACK])
_STACKINGS = st.sampled_from(list(Stacking))
_BASES = st.sampled_from(list(EarningBase))
RULES = st.builds(
    lambda method, amount, stacking, when_free: Rule(
        new_id(), "A rule", Scope.EVERYTHING, "", method, amount, stacking=stacking, when_free=when_free
    ).earner(100, 100),
    *(_METHODS, st.integers(0, 10_000), _STACKINGS, st.booleans()),
)
MULTIPLIERS = st.builds(
    lambda percent, stacking: Rule(
        new_id(), "A multiplier", Scope.EVERYTHING, "", Method.MULTIPLIER, percent, stacking=stacking
    ).earner(100, 100),
    *(st.integers(101, 1_000), _STACKINGS),
)


def _earner(terms: Earning) -> Earner:
    return terms.earner(Offer(new_id(), "An offer", "", NOW, NOW, terms, None))


OFFERS = st.one_of(
    st.builds(lambda points, how: Bonus(points=points, stacking=how), st.integers(1, 10_000), _STACKINGS),
    st.builds(lambda percent, how: Promotion(percent=percent, stacking=how), st.integers(101, 1_000), _STACKINGS),
    st.builds(lambda percent: Voucher(code="CODE", uses=1, percent=percent), st.integers(101, 1_000)),
    st.builds(lambda percent: Subscription(points=1, percent=percent), st.integers(101, 1_000)),
).map(_earner)
EARNERS = st.lists(st.one_of(RULES, MULTIPLIERS, OFFERS), min_size=1, max_size=6)


def purchase(units: int, gross: int, discount: int, points: int, base: EarningBase) -> Purchase:
    return Purchase.of(1, THING, units, gross_minor=gross, discount_minor=discount, points_minor=points, base=base)


@given(EARNERS, st.integers(1, 9), st.integers(1, 10_000), st.integers(0, 99), _BASES)
def test_a_line_that_points_paid_wholly_earns_exactly_nothing(
    earners: list[Earner], units: int, gross: int, off: int, base: EarningBase
) -> None:
    discount = gross * off // 100
    paid = purchase(units, gross, discount, gross - discount, base)
    assert [grant.points for grant in grants(paid, earners) if grant.points] == []


@given(EARNERS, st.integers(1, 9), st.integers(1, 10_000), st.integers(0, 99), st.integers(0, 100), _BASES)
def test_money_earns_its_share_of_what_it_would_earn_alone(
    earners: list[Earner], units: int, gross: int, off: int, share: int, base: EarningBase
) -> None:
    discount = gross * off // 100
    net = gross - discount
    points = net * share // 100
    whole = grants(purchase(units, gross, discount, 0, base), earners)
    part = grants(purchase(units, gross, discount, points, base), earners)
    exact = sum((grant.exact for grant in whole), Fraction()) * (net - points) / net
    assert sum((grant.exact for grant in part), Fraction()) == exact
    assert sum(grant.points for grant in part) == round(exact)


@given(EARNERS, st.integers(1, 9), st.integers(0, 10_000), _BASES)
def test_a_line_that_costs_nothing_earns_only_by_rules_that_say_so(
    earners: list[Earner], units: int, gross: int, base: EarningBase
) -> None:
    free = purchase(units, gross, gross, 0, base)
    silent = [replace(earner, when_free=False) for earner in earners]
    assert [grant.points for grant in grants(free, silent) if grant.points] == []
    for grant in grants(free, earners):
        assert grant.exact == 0 or grant.earner.when_free


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("base", list(EarningBase))
def test_an_order_paid_by_points_earns_nothing_by_any_rule(shop: Shop, method: Method, base: EarningBase) -> None:
    shop.program(earning_base=base)
    product, member = shop.product(price_minor=500), shop.with_points(1_000)
    shop.rule(600, method, Scope.PRODUCT, product)
    shop.offer(Bonus(points=600, stacking=Stacking.ADDS))
    assert shop.order(member, (product, 1), pay_points=500).lots == []
    half, whole = shop.order(member, (product, 1), pay_points=250), shop.order(member, (product, 1))
    earned = [sum(lot.points for lot in placed.lots) for placed in (half, whole)]
    assert 0 < 2 * earned[0] <= earned[1]
    assert {lot.explanation["money_share"] for lot in half.lots} == {"0.5"}
    assert shop.disagreements() == []


def test_a_free_product_earns_only_where_its_rule_says_so(shop: Shop, caller: Calls) -> None:
    free, sample = shop.product(price_minor=0), shop.product(price_minor=0)
    admin = caller(Role.ADMIN, new_id())
    rule = {"name": "Sample", "scope": "product", "method": "fixed", "amount": 50}
    assert admin.post("/rules", {**rule, "target": str(free)}).json()["when_free"] is False
    assert admin.post("/rules", {**rule, "target": str(sample), "when_free": True}).status_code == 201
    placed = shop.order(shop.member(), (free, 1_000), (sample, 2))
    assert [(lot.line, lot.points) for lot in placed.lots] == [(2, 100)]


def test_a_rate_is_for_one_unit_of_the_currency_whatever_its_digits(shop: Shop) -> None:
    """Ten units of each currency earn the same points and have the same explanation."""
    member, sums = shop.member(), []
    for currency, unit in (("JPY", 1), ("USD", 100), ("KWD", 1_000), ("CLF", 10_000)):
        shop.program(currency=currency, minor_per_100_points=unit)
        (lot,) = shop.order(member, (shop.product(price_minor=10 * unit), 1)).lots
        sums.append((lot.points, lot.explanation["gives"], lot.explanation["exact"]))
    assert sums == [(50, "5 for every 1.00 paid", "50")] * 4
