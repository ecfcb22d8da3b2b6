"""Tests of adding and changing products as a vendor."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db import Database
from app.ids import new_id
from app.ledger import service as journal
from app.signing import Role
from tests.catalog.conftest import Seller, product


def test_a_new_product_is_shown_as_it_was_sent(client: TestClient, seller: Callable[[], Seller]) -> None:
    listing = seller().sells("A", description="Two\nlines", return_window_days=30)
    assert client.get(f"/products/{listing['product_id']}").json() == listing
    assert (listing["return_window_days"], listing["on_hand"], listing["active"]) == (30, 10, True)


def test_a_sku_can_be_taken_once_by_each_vendor(seller: Callable[[], Seller]) -> None:
    shop, other = seller(), seller()
    shop.sells("A")
    assert shop.offer("A").status_code == 409
    assert other.sells("A")["vendor_id"] == str(other.vendor_id)


def test_the_same_request_twice_makes_one_product(seller: Callable[[], Seller], client: TestClient) -> None:
    api = seller().api
    first = api.post("/products", product("A"), key="k")
    again = api.post("/products", product("A"), key="k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    "wrong",
    [
        {"price_minor": 3.49},
        {"price_minor": "349"},
        {"price_minor": -1},
        {"price_minor": 10**13},
        {"price_minor": True},
        {"stock": 1.5},
        {"stock": -1},
        {"return_window_days": 366},
        {"return_window_days": "14"},
        {"currency": "EUR"},
        {"currency": "usd"},
        {"sku": "=A1"},
        {"sku": ""},
        {"sku": "x" * 41},
        {"name": "  "},
        {"name": "a\0b"},
        {"name": "x" * 201},
        {"brand": None},
        {"active": "yes"},
        {"colour": "red"},
    ],
)
def test_a_product_that_cannot_be_is_refused_and_nothing_remains(
    client: TestClient, seller: Callable[[], Seller], wrong: dict[str, Any]
) -> None:
    answer = seller().api.post("/products", {**product("A"), **wrong})
    assert answer.status_code == 422, answer.text
    assert client.get("/products").json()["products"] == []
    assert client.get("/categories").json()["categories"] == []


def test_only_what_is_sent_changes(client: TestClient, seller: Callable[[], Seller]) -> None:
    shop = seller()
    listing = shop.sells("A", description="As it was", return_window_days=30)
    changed = shop.change(listing["product_id"], price_minor=299, stock=3).json()
    assert {**changed, "earns": listing["earns"]} == {**listing, "price_minor": 299, "on_hand": 3}
    assert changed["earns"]["points"] == 15
    assert client.get(f"/products/{listing['product_id']}").json() == changed


def test_a_product_moves_to_a_new_category(client: TestClient, seller: Callable[[], Seller]) -> None:
    shop = seller()
    listing = shop.sells("A")
    assert shop.change(listing["product_id"], category="BISCUITS").json()["category"] == "BISCUITS"
    names = [(category["department"], category["name"]) for category in client.get("/categories").json()["categories"]]
    assert names == [("GROCERY", "BISCUITS"), ("GROCERY", "COOKIES")]


def test_a_window_is_the_products_else_its_categorys_else_the_programs(
    client: TestClient, seller: Callable[[], Seller], admin: Any
) -> None:
    shop = seller()
    listing = shop.sells("A", return_window_days=30)
    path = f"/products/{listing['product_id']}"
    assert client.get(path).json()["return_window_days"] == 30
    assert shop.change(listing["product_id"], return_window_days=None).json()["return_window_days"] == 14
    category = f"/categories/{listing['category_id']}"
    assert admin.patch(category, {"return_window_days": 45}).json()["return_window_days"] == 45
    assert client.get(path).json()["return_window_days"] == 45
    assert admin.patch(category, {"return_window_days": None}).status_code == 200
    assert client.get(path).json()["return_window_days"] == 14
    assert client.get(path).json()["earns"]["confirmed_on"] == "2026-03-16"


def test_no_other_category_can_be_set(admin: Any) -> None:
    assert admin.patch(f"/categories/{new_id()}", {"return_window_days": 45}).status_code == 404


def test_another_vendors_product_is_not_found(seller: Callable[[], Seller]) -> None:
    listing = seller().sells("A")
    other = seller()
    assert other.change(listing["product_id"], price_minor=1).status_code == 404
    assert other.change(str(new_id()), price_minor=1).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [{"price_minor": 2.99}, {"price_minor": None}, {"name": None}, {"active": None}, {"sku": "B"}, {"currency": "USD"}],
)
def test_a_change_that_cannot_be_is_refused(
    client: TestClient, seller: Callable[[], Seller], wrong: dict[str, Any]
) -> None:
    shop = seller()
    listing = shop.sells("A")
    assert shop.change(listing["product_id"], stock=1, **wrong).status_code == 422
    assert client.get(f"/products/{listing['product_id']}").json() == listing


def test_a_vendor_that_is_not_active_changes_nothing(seller: Callable[[], Seller], admin: Any) -> None:
    shop = seller()
    listing = shop.sells("A")
    admin.post(f"/vendors/{shop.vendor_id}/transitions", {"to": "suspended", "reasons": ["A complaint"]})
    assert shop.offer("B").status_code == 409
    assert shop.change(listing["product_id"], price_minor=1).status_code == 409


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ANALYST, Role.ADMIN])
def test_products_are_for_vendors_to_change(caller: Callable[..., Any], role: Role) -> None:
    someone = caller(role, new_id())
    assert someone.post("/products", product("A")).status_code == 403
    assert someone.patch(f"/products/{new_id()}", {"stock": 1}).status_code == 403


def test_every_change_is_in_the_journal(db: Database, seller: Callable[[], Seller]) -> None:
    shop = seller()
    listing = shop.sells("A")
    shop.change(listing["product_id"], price_minor=299)
    shop.change(listing["product_id"], active=False)
    with db.read() as session:
        entries = journal.history(session, "products", listing["product_id"])
    assert [(entry.data["price_minor"], entry.data["active"]) for entry in entries] == [
        (349, True),
        (299, True),
        (299, False),
    ]
