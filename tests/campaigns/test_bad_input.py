"""Tests that invalid rules, offers, redemptions and program settings are refused, and that nothing is stored."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from app.ids import new_id
from app.offers.models import Item
from app.signing import Role
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
NOBODY = str(new_id())
RULE: dict[str, Any] = {"name": "A rule", "scope": "everything", "method": "rate", "amount": 1}
DATES = {"starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-04-01T00:00:00Z"}
OFFER: dict[str, Any] = {"name": "An offer", "terms": {"kind": "promotion"}, **DATES}
ITEM = {**OFFER, "terms": {"kind": "item", "points": 5}, "on_hand": 3}


def refuses(answer: Any, field: str) -> bool:
    """Return true if the response is a 422 whose only error is for `field`, which may be one of an offer's terms."""
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (422, 422)
    assert [error["field"] for error in problem["errors"]] == [field]
    return bool(problem["detail"])


RULES: list[tuple[dict[str, Any], str]] = [
    ({"amount": -1}, "body.amount"),
    ({"amount": 1.5}, "body.amount"),
    ({"amount": 1.0}, "body.amount"),
    ({"amount": "1"}, "body.amount"),
    ({"amount": 1_000_001}, "body.amount"),
    ({"method": "multiplier", "amount": 100}, "body.amount"),
    ({"cap_member": 0}, "body.cap_member"),
    ({"cap_member_day": -5}, "body.cap_member_day"),
    ({"budget": 2.5}, "body.budget"),
    ({"priority": 101}, "body.priority"),
    ({"stacking": "sometimes"}, "body.stacking"),
    ({"target": "Oak"}, "body.target"),
    ({"scope": "brand"}, "body.target"),
    ({"scope": "galaxy"}, "body.scope"),
    ({"points": 1}, "body.points"),
    ({"starts_at": "2026-03-01T00:00:00"}, "body.starts_at"),
    ({"starts_at": "2026-04-01T00:00:00Z", "ends_at": "2026-03-01T00:00:00Z"}, "ends_at"),
    ({"starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-03-01T00:00:00Z"}, "ends_at"),
]


def test_a_rule_that_cannot_be(shop: Shop, caller: Calls) -> None:
    before = shop.counts()
    for changed, field in RULES:
        assert refuses(caller(Role.ADMIN, new_id()).post("/rules", {**RULE, **changed}), field)
    assert shop.counts() == before


def test_an_exclusive_rule_beside_another_at_that_time(shop: Shop, caller: Calls) -> None:
    admin = caller(Role.ADMIN, new_id())
    shop.product(brand="Oak")
    alone = {**RULE, **DATES, "stacking": "exclusive"}
    assert admin.post("/rules", alone).status_code == 201
    before = shop.counts()
    for other in ({}, {"starts_at": "2026-03-31T23:59:59Z", "ends_at": None}, {"starts_at": None}):
        assert refuses(admin.post("/rules", {**alone, **other}), "stacking")
    assert shop.counts() == before
    for apart in (
        {"priority": 1},
        {"starts_at": DATES["ends_at"], "ends_at": None},
        {"scope": "brand", "target": "Oak"},
    ):
        assert admin.post("/rules", {**alone, **apart}).status_code == 201
    assert admin.post("/rules", {**alone, "starts_at": None, "ends_at": DATES["starts_at"]}).status_code == 201


CLUB, VOUCHER = {"kind": "subscription", "points": 5}, {"kind": "voucher", "code": "SPRING-26", "uses": 3}


OFFERS: list[tuple[dict[str, Any], str]] = [
    ({**OFFER, "ends_at": "2026-02-01T00:00:00Z"}, "ends_at"),
    ({**OFFER, "ends_at": "2026-03-01T00:00:00Z"}, "ends_at"),
    ({**OFFER, "ends_at": "2026-02-28"}, "ends_at"),
    ({**OFFER, "on_hand": 3}, "on_hand"),
    ({**OFFER, "name": ""}, "body.name"),
    ({**ITEM, "on_hand": None}, "on_hand"),
    ({**ITEM, "on_hand": -1}, "body.on_hand"),
    ({**ITEM, "on_hand": 1.5}, "body.on_hand"),
    ({**ITEM, "terms": {"kind": "item", "points": 0}}, "body.terms.item.points"),
    ({**ITEM, "terms": {"kind": "item", "points": -5}}, "body.terms.item.points"),
    ({**ITEM, "terms": {"kind": "item", "points": 1.5}}, "body.terms.item.points"),
    ({**OFFER, "terms": {"kind": "promotion", "percent": 100}}, "body.terms.promotion.percent"),
    ({**OFFER, "terms": {"kind": "promotion", "percent": 1001}}, "body.terms.promotion.percent"),
    ({**OFFER, "terms": {"kind": "promotion", "target": "Oak"}}, "body.terms.promotion.target"),
    ({**OFFER, "terms": {"kind": "promotion", "scope": "brand"}}, "body.terms.promotion.target"),
    ({**OFFER, "terms": {"kind": "promotion", "budget": 0}}, "body.terms.promotion.budget"),
    ({**OFFER, "terms": {"kind": "bonus", "points": -1}}, "body.terms.bonus.points"),
    ({**OFFER, "terms": {**CLUB, "price_minor": 5}}, "body.terms.subscription.price_minor"),
    ({**OFFER, "terms": {"kind": "subscription"}}, "body.terms.subscription.price_minor"),
    ({**OFFER, "terms": {"kind": "subscription", "price_minor": 5}}, "body.terms.subscription.grace_days"),
    ({**OFFER, "terms": {**CLUB, "period": "week"}}, "body.terms.subscription.period"),
    ({**OFFER, "terms": {**VOUCHER, "code": "no"}}, "body.terms.voucher.code"),
    ({**OFFER, "terms": {**VOUCHER, "uses": 0}}, "body.terms.voucher.uses"),
    ({**OFFER, "terms": {"kind": "lottery"}}, "body.terms"),
    ({**OFFER, "expected_times": 0}, "body.expected_times"),
    ({**OFFER, "expected_times": 101}, "body.expected_times"),
    ({**OFFER, "expected_times": 1.5}, "body.expected_times"),
    ({**ITEM, "expected_times": 2}, "expected_times"),
    ({**OFFER, "terms": {"kind": "bonus", "points": 1}, "expected_times": 2}, "expected_times"),
]


def test_an_offer_that_cannot_be(shop: Shop, caller: Calls) -> None:
    before = shop.counts()
    for body, field in OFFERS:
        assert refuses(caller(Role.ADMIN, new_id()).post("/offers", body), field)
    assert (shop.counts(), caller(Role.ADMIN, new_id()).get("/offers").json()) == (before, {"offers": [], "next": None})


REDEMPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"kind": "cash_back", "points": 0}, "body.points"),
    ({"kind": "cash_back", "points": -2}, "body.points"),
    ({"kind": "cash_back", "points": 2.5}, "body.points"),
    ({"kind": "cash_back", "points": 2.0}, "body.points"),
    ({"kind": "cash_back"}, "body.points"),
    ({"kind": "item"}, "body.offer_id"),
    ({"kind": "item", "offer_id": NOBODY, "points": 2}, "body.points"),
    ({"kind": "cash_back", "offer_id": NOBODY, "points": 2}, "body.offer_id"),
    ({"kind": "clawback", "points": 2}, "body.kind"),
    ({"kind": "cash_back", "points": 3}, "points"),  # worth half a cent too much
]


def test_a_redemption_that_cannot_be(shop: Shop, caller: Calls) -> None:
    shop.program(minor_per_100_points=50)
    member = shop.with_points(100)
    before = shop.counts()
    for body, field in REDEMPTIONS:
        assert refuses(caller(Role.MEMBER, member).post("/redemptions", body), field)
    assert (shop.counts(), shop.wallet(member)) == (before, (0, 100))


PROGRAMS: list[tuple[dict[str, Any], str]] = [
    ({"time_zone": "Mars/Olympus"}, "body.time_zone"),
    ({"return_window_days": -1}, "body.return_window_days"),
    ({"return_window_days": 366}, "body.return_window_days"),
    ({"minor_per_100_points": 0}, "body.minor_per_100_points"),
    ({"expire_after_days": 1.5}, "body.expire_after_days"),
    ({"expire_after_days": 0}, "body.expire_after_days"),
    ({"return_policy": "never"}, "body.return_policy"),
    ({"earning_base": "fantasy"}, "body.earning_base"),
    ({"currency": "eur"}, "body.currency"),
    ({"currency": "QQQ"}, "currency"),
    ({"currency": "DEM"}, "currency"),  # withdrawn
    ({"currency": "XAU"}, "currency"),  # gold has no minor unit
]


def test_a_program_that_cannot_be(shop: Shop, caller: Calls) -> None:
    admin = caller(Role.ADMIN, new_id())
    before, terms = shop.counts(), admin.get("/program").json()
    for changed, field in PROGRAMS:
        assert refuses(admin.patch("/program", changed), field)
    assert (shop.counts(), admin.get("/program").json()) == (before, terms)


def test_the_currency_is_chosen_before_anything_is_priced(shop: Shop, caller: Calls) -> None:
    admin = caller(Role.ADMIN, new_id())
    for code, number in (("KWD", 3), ("JPY", 0), ("EUR", 2)):
        answer = admin.patch("/program", {"currency": code}).json()
        assert (answer["currency"], answer["currency_digits"]) == (code, number)
    shop.vendor()
    refused, same = admin.patch("/program", {"currency": "USD"}), admin.patch("/program", {"currency": "EUR"})
    assert (refused.status_code, refused.json()["detail"], same.status_code) == (
        *(409, "there are vendors or offers already, and they count in EUR"),
        200,
    )
    assert admin.get("/program").json()["currency"] == "EUR"


def test_the_currency_stays_once_there_is_an_offer(shop: Shop, caller: Calls) -> None:
    shop.offer(Item(points=100), on_hand=5)
    assert caller(Role.ADMIN, new_id()).patch("/program", {"currency": "KWD"}).status_code == 409


def test_a_products_window_of_less_than_a_day(shop: Shop, caller: Calls) -> None:
    vendor = shop.vendor()
    product = shop.product(vendor, return_window_days=7)
    answer = caller(Role.VENDOR, vendor).patch(f"/products/{product}", {"return_window_days": -1})
    assert refuses(answer, "body.return_window_days")
    assert shop.order(shop.member(), (product, 1)).lines[0].return_window_days == 7
