"""Tests that targets of rules and offers must exist in the catalogue, and of how brand names are compared."""

from collections.abc import Callable
from typing import Any
from unicodedata import normalize
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.campaigns import targets
from app.catalog import categories
from app.catalog import service as catalog
from app.earning.earners import Scope
from app.errors import BadInput
from app.ids import new_id
from app.signing import Role
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]


def body(path: str, scope: str, target: str, **fields: Any) -> dict[str, Any]:
    if path == "/rules":
        terms = {"scope": scope, "target": target, "method": "fixed", "amount": 7, "stacking": "adds"}
        return {"name": "Seven", **terms, **fields}
    terms = {"kind": "bonus", "points": 7, "scope": scope, "target": target}
    dates = {"starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-04-01T00:00:00Z"}
    return {"name": "Seven", "terms": terms, **dates, **fields}


both = pytest.mark.parametrize("path", ["/offers", "/rules"])


@both
@pytest.mark.parametrize("scope", [Scope.PRODUCT, Scope.VENDOR, Scope.CATEGORY, Scope.BRAND])
@pytest.mark.parametrize("target", ["No such thing", "{}", " ", "0" * 31, "00000000-0000-7000-8000-000000000009"])
def test_a_target_that_is_not_there_is_refused_with_its_field(
    shop: Shop, caller: Calls, path: str, scope: Scope, target: str
) -> None:
    shop.product()
    before = shop.counts()
    answer = caller(Role.ADMIN, new_id()).post(path, body(path, scope, target))
    assert answer.status_code == 422
    assert "target" in answer.json()["errors"][0]["field"]
    assert shop.counts() == before


@both
@pytest.mark.parametrize("scope", [Scope.PRODUCT, Scope.VENDOR, Scope.CATEGORY, Scope.BRAND])
def test_a_target_that_the_catalogue_does_not_have_is_named_by_its_whole_path(
    caller: Calls, path: str, scope: Scope
) -> None:
    target = "00000000-0000-7000-8000-000000000009"
    answer = caller(Role.ADMIN, new_id()).post(path, body(path, scope, target))
    field = {"/offers": "terms.target", "/rules": "target"}[path]
    message = f"there is no {scope} {target}"
    assert answer.json()["errors"] == [{"field": field, "code": "unknown-target", "message": message}]


def test_a_target_that_is_no_id_is_refused_with_the_named_field(shop: Shop) -> None:
    with shop.db.read() as session, pytest.raises(BadInput) as refusal:
        targets.checked(session, Scope.PRODUCT, "No id", "terms.target", draft=True)
    assert [(error.field, error.code) for error in refusal.value.errors] == [("terms.target", "unknown-target")]


@both
@pytest.mark.parametrize("scope", [Scope.PRODUCT, Scope.VENDOR, Scope.CATEGORY])
@pytest.mark.parametrize(
    "spelling", [str, lambda key: str(key).upper(), lambda key: key.hex, lambda key: key.hex.upper()]
)
def test_an_id_in_any_spelling_is_that_id(
    shop: Shop, caller: Calls, path: str, scope: Scope, spelling: Callable[[UUID], str]
) -> None:
    vendor = shop.vendor()
    product = shop.product(vendor)
    category = categories.category_id_of("GROCERY", "COOKIES")
    key = {Scope.PRODUCT: product, Scope.VENDOR: vendor, Scope.CATEGORY: category}[scope]
    answer = caller(Role.ADMIN, new_id()).post(path, body(path, scope, spelling(key)))
    assert answer.status_code == 201
    assert answer.json().get("terms", answer.json())["target"] == str(key)
    assert sum(lot.points for lot in shop.order(shop.member(), (product, 1)).lots) == 12
    with_braces = body(path, scope, f"{{{key}}}")
    assert caller(Role.ADMIN, new_id()).post(path, with_braces).status_code == 422


@both
@pytest.mark.parametrize(
    "spelling", ["Café  Straße", "CAFÉ STRASSE", "café straße", normalize("NFD", "Café Straße"), "Ｃafé Straße"]
)
def test_a_brand_is_the_one_that_shoppers_read(shop: Shop, caller: Calls, path: str, spelling: str) -> None:
    product, other = shop.product(brand="Café Straße"), shop.product(brand="Cafe Strasse")
    assert caller(Role.ADMIN, new_id()).post(path, body(path, "brand", spelling)).status_code == 201
    assert sum(lot.points for lot in shop.order(shop.member(), (product, 1)).lots) == 12
    assert sum(lot.points for lot in shop.order(shop.member(), (other, 1)).lots) == 5  # accents count


@both
def test_a_draft_may_name_a_brand_that_is_yet_to_come_but_not_start(shop: Shop, caller: Calls, path: str) -> None:
    api = caller(Role.ADMIN, new_id())
    draft = api.post(path, body(path, "brand", "Nobody's", draft=True)).json()
    subject = f"{path}/{draft.get('offer_id', draft.get('rule_id'))}"
    start = {"to": "running", "reason": "Now"}
    assert api.post(f"{subject}/transitions", start).status_code == 422
    assert api.get(subject).json()["state"] == "draft"
    shop.product(brand="NOBODY'S")
    assert api.post(f"{subject}/transitions", start).status_code == 201


@both
def test_a_draft_names_no_product_that_is_not_there(caller: Calls, path: str) -> None:
    answer = caller(Role.ADMIN, new_id()).post(path, body(path, "product", str(new_id()), draft=True))
    assert answer.status_code == 422


def test_an_item_is_for_subscribers_of_something_to_subscribe_to(shop: Shop, caller: Calls) -> None:
    api = caller(Role.ADMIN, new_id())
    dates = {"starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-04-01T00:00:00Z"}
    item: dict[str, Any] = {"name": "A mug", "terms": {"kind": "item", "points": 1}, "on_hand": 3, **dates}
    mug = api.post("/offers", item).json()["offer_id"]
    for opener in (str(new_id()), mug):
        only = {**item, "terms": {**item["terms"], "subscribers_of": opener}}
        answer = api.post("/offers", only)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "terms.subscribers_of")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(brands=st.sets(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=4), max_size=12))
def test_all_names_of_brands_are_known_however_many_products_have_them(shop: Shop, brands: set[str]) -> None:
    vendor = shop.vendor()
    for brand in brands:
        shop.product(vendor, brand=brand)
        shop.product(vendor, brand=brand)
    with shop.db.read() as session:
        names = catalog.brands(session)
    assert brands <= set(names)
    assert len(names) == len(set(names))
