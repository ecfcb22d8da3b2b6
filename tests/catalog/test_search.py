"""Tests of the product search `GET /products`: matches, sort order and pages."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from app.catalog.schemas import ProductsOut
from tests.catalog.conftest import Seller


def find(client: TestClient, **query: Any) -> list[str]:
    answer = client.get("/products", params=query)
    assert answer.status_code == 200, answer.text
    return [product["sku"] for product in answer.json()["products"]]


def pages(client: TestClient, **query: Any) -> Iterator[list[dict[str, Any]]]:
    cursor = None
    while True:
        answer = client.get("/products", params={**query, **({"cursor": cursor} if cursor else {})}).json()
        yield answer["products"]
        cursor = answer["next"]
        if cursor is None:
            return


def refused(answer: Response, status: int, code: str) -> bool:
    return answer.status_code == status and str(answer.json()["type"]).endswith(f":{code}")


@pytest.fixture
def stocked(seller: Callable[[], Seller]) -> Seller:
    shop = seller()
    shop.sells("A", name="Chocolate cookies", price_minor=300)
    shop.sells("B", name="Oat cookie", price_minor=200, brand="The It", description="with a chocolate coat")
    shop.sells("C", name="Dark chocolate", price_minor=500, category="CANDY", stock=0)
    shop.sells("D", name="Garden hose", price_minor=1999, department="GARDEN", category="WATERING", brand="Chocolatier")
    return shop


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize(
    ("q", "skus"),
    [
        ("cookies", {"A", "B"}),
        ("COOKIE", {"A", "B"}),
        ("chocolate", {"A", "B", "C"}),
        ("chocolate cookie", {"A", "B"}),
        ("chocolate -cookies", {"C"}),
        ('"dark chocolate"', {"C"}),
        ("hose or candy", {"D"}),
        ("chocolatier", {"D"}),
        ("the it", {"B"}),
        ("!!!", set()),
        ("spaceship", set()),
    ],
)
def test_words_are_found_in_name_brand_and_description(client: TestClient, q: str, skus: set[str]) -> None:
    assert set(find(client, q=q)) == skus


def test_a_word_in_the_name_counts_more_than_in_the_description(client: TestClient, stocked: Seller) -> None:
    assert find(client, q="chocolate")[-1] == "B"


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize(
    ("query", "skus"),
    [
        ({}, ["A", "C", "D", "B"]),
        ({"department": "GROCERY"}, ["A", "C", "B"]),
        ({"category": "CANDY"}, ["C"]),
        ({"department": "GARDEN", "category": "CANDY"}, []),
        ({"department": "Nowhere"}, []),
        ({"brand": "Millrace"}, ["A", "C"]),
        ({"min_price": 300, "max_price": 500}, ["A", "C"]),
        ({"in_stock": "true"}, ["A", "D", "B"]),
        ({"in_stock": "false"}, ["A", "C", "D", "B"]),
        ({"sort": "price"}, ["B", "A", "C", "D"]),
        ({"sort": "-price"}, ["D", "C", "A", "B"]),
        ({"q": "chocolate", "sort": "price", "in_stock": "true", "department": "GROCERY"}, ["B", "A"]),
    ],
)
def test_filters_narrow_and_sorts_order(client: TestClient, query: dict[str, Any], skus: list[str]) -> None:
    assert find(client, **query) == skus


def test_a_vendors_own_products_can_be_asked_for(
    client: TestClient, stocked: Seller, seller: Callable[[], Seller]
) -> None:
    other = seller()
    other.sells("X")
    assert find(client, vendor_id=str(other.vendor_id)) == ["X"]


def test_an_answer_is_what_the_documentation_says(client: TestClient, stocked: Seller) -> None:
    answer = client.get("/products", params={"q": "hose"})
    shown: Any = ProductsOut.model_validate_json(answer.content, strict=True).products[0]
    assert (shown.price_minor, shown.currency, shown.return_window_days, shown.on_hand) == (1999, "USD", 14, 10)
    assert json.loads(answer.content)["products"] == [client.get(f"/products/{shown.product_id}").json()]


def test_a_product_says_what_it_earns_and_when_that_is_confirmed(client: TestClient, stocked: Seller) -> None:
    earns = client.get("/products", params={"q": "hose"}).json()["products"][0]["earns"]
    assert earns == {"points": 100, "confirmed_on": "2026-03-16", "rule": "Five points for every 1.00 paid"}


@pytest.mark.parametrize(
    "query",
    [{"sort": "name"}, {"sort": "price"}, {"sort": "-price"}, {"q": "cookie"}, {"q": "cookie", "category": "COOKIES"}],
)
def test_pages_show_everything_once_and_in_order(
    client: TestClient, seller: Callable[[], Seller], query: dict[str, Any]
) -> None:
    shop = seller()
    for number in range(13):
        shop.sells(f"S{number}", name=f"{'Cookie ' * (number % 3 + 1)}{number % 4}", price_minor=number % 5)
    whole = find(client, **query, limit=100)
    cut = [[product["sku"] for product in page] for page in pages(client, **query, limit=4)]
    assert [len(page) for page in cut] == [4, 4, 4, 1]
    assert [sku for page in cut for sku in page] == whole


@pytest.mark.parametrize("query", [{"sort": "name"}, {"sort": "price"}, {"q": "cookie"}])
def test_products_added_meanwhile_neither_repeat_nor_hide_others(
    client: TestClient, seller: Callable[[], Seller], query: dict[str, Any]
) -> None:
    shop = seller()
    for number in range(9):
        shop.sells(f"S{number}", name=f"Cookie {number}", price_minor=number)
    before = find(client, **query)
    seen = []
    for turn, page in enumerate(pages(client, **query, limit=2)):
        seen += [product["sku"] for product in page]
        shop.sells(f"N{turn}", name=f"A cookie, early {turn}", price_minor=0)
    assert [sku for sku in seen if sku in before] == before
    assert len(seen) == len(set(seen))


def test_a_cursor_of_another_search_is_refused(client: TestClient, stocked: Seller) -> None:
    cursor = client.get("/products", params={"sort": "price", "limit": 2}).json()["next"]
    assert client.get("/products", params={"sort": "price", "limit": 1, "cursor": cursor}).status_code == 200
    for other in ({"sort": "-price"}, {"sort": "price", "brand": "Millrace"}, {"sort": "price", "q": "hose"}):
        assert refused(client.get("/products", params={**other, "cursor": cursor}), 422, "bad-cursor")


FORGED: dict[str, list[str]] = {
    "name": ['["F",["\\ud800","ID"]]', '["F",["a\\u0000","ID"]]', '["F",[1,"ID"]]', '["F",[null,"ID"]]'],
    "price": [
        '["F",[true,"ID"]]',
        '["F",[1.0,"ID"]]',
        '["F",[9007199254740993,"ID"]]',
        '["F",["1","ID"]]',
        '["F",[-1,"ID"]]',
    ],
    "-price": ['["F",[false,"ID"]]', '["F",[NaN,"ID"]]'],
    "relevance": [
        '["F",[true,"ID"]]',
        '["F",[NaN,"ID"]]',
        '["F",[1e999,"ID"]]',
        '["F",[0.5,"\\ud800"]]',
        '["F",[0.5,7]]',
    ],
}
"""Of each sort: keys that it never gives, and ids that are none."""


@pytest.mark.parametrize(("sort", "text"), [(sort, text) for sort, forged in FORGED.items() for text in forged])
def test_a_cursor_holds_only_what_its_sort_gives(client: TestClient, stocked: Seller, sort: str, text: str) -> None:
    query = {"sort": sort, "q": "chocolate"}
    cursor = client.get("/products", params={**query, "limit": 1}).json()["next"]
    fingerprint, (_, product_id) = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    forged = base64.urlsafe_b64encode(text.replace("F", fingerprint).replace("ID", product_id).encode()).decode()
    assert refused(client.get("/products", params={**query, "cursor": forged}), 422, "bad-cursor")


@pytest.mark.parametrize("nested", ["[" * 1_490, "[" * 700 + "]" * 700, '{"a":' * 290, "1" * 1_400])
def test_a_cursor_of_anything_costs_nothing(client: TestClient, nested: str) -> None:
    cursor = base64.urlsafe_b64encode(nested.encode()).decode()
    assert refused(client.get("/products", params={"cursor": cursor}), 422, "bad-cursor")


@pytest.mark.parametrize(
    "text",
    ["[]", '["x",1,2]', '["x",[1,2]]', '["x"', "7", "[null,null,null]", '["F",[1e400,"ID"]]', '["F",["a","ID"]]'],
)
def test_a_forged_cursor_is_refused(client: TestClient, stocked: Seller, text: str) -> None:
    cursor = client.get("/products", params={"sort": "price", "limit": 2}).json()["next"]
    fingerprint, (_, product_id) = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    forged = text.replace("F", fingerprint).replace("ID", product_id)
    query = {"sort": "price", "cursor": base64.urlsafe_b64encode(forged.encode()).decode()}
    assert refused(client.get("/products", params=query), 422, "bad-cursor")


@pytest.mark.parametrize("cursor", ["x", "ä", "!!!!", "//8="])
def test_what_is_no_cursor_is_refused(client: TestClient, cursor: str) -> None:
    assert refused(client.get("/products", params={"cursor": cursor}), 422, "bad-cursor")


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 101},
        {"sort": "relevance"},
        {"sort": "weight"},
        {"min_price": 2, "max_price": 1},
        {"min_price": "1.5"},
        {"min_price": 10**30},
        {"q": "a\0b"},
        {"q": ""},
        {"brand": "a\0b"},
        {"colour": "red"},
    ],
)
def test_a_search_that_cannot_be_is_refused(client: TestClient, query: dict[str, Any]) -> None:
    assert refused(client.get("/products", params=query), 422, "bad-input")


def test_a_suspended_vendors_products_vanish_and_come_back(client: TestClient, stocked: Seller, admin: Any) -> None:
    product_id = client.get("/products", params={"q": "hose"}).json()["products"][0]["product_id"]
    path = f"/vendors/{stocked.vendor_id}/transitions"
    assert admin.post(path, {"to": "suspended", "reasons": ["Goods did not arrive"]}).status_code == 201
    assert find(client) == find(client, q="chocolate") == find(client, sort="price") == []
    assert client.get(f"/products/{product_id}").status_code == 404
    assert admin.post(path, {"to": "active"}).status_code == 201
    assert find(client) == ["A", "C", "D", "B"]


def test_a_product_that_is_not_active_is_not_shown(client: TestClient, stocked: Seller) -> None:
    product_id = client.get("/products", params={"q": "hose"}).json()["products"][0]["product_id"]
    assert stocked.change(product_id, active=False).status_code == 200
    assert find(client, q="hose") == []
    assert client.get(f"/products/{product_id}").status_code == 404


# ── as people type ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def worded(seller: Callable[[], Seller]) -> Seller:
    shop = seller()
    shop.sells("ZL-4711/B", name="Zebra lamp", category="LAMPS")
    shop.sells("c", name="Café crème 250 g", brand="Nestlé", category="KÄSE")
    shop.sells("m", name="Müsli", brand="Dr. Oetker", description="gebräunt")
    shop.sells("s", name="Straßenkarte", brand="Ærø")
    shop.sells("k", name="ΣΊΣΥΦΟΣ", brand="МОЛОКО")
    shop.sells("t", name="T-shirt blue", brand="H&M")
    shop.sells("w", name="The Who LP", brand="The Who")
    shop.sells("h", name="Chocolate")
    return shop


@pytest.mark.usefixtures("worded")
@pytest.mark.parametrize(
    ("q", "sku"),
    [
        *(("cafe creme", "c"), ("CAFÉ", "c"), ("cafe\u0301", "c"), ("ｃａｆｅ", "c"), ("Nestle", "c"), ("nestlé", "c")),
        *(("musli", "m"), ("MÜSLI", "m"), ("dr oetker", "m"), ("gebraunt", "m"), ("strassenkarte", "s"), ("aero", "s")),
        *(("σισυφος", "k"), ("Σίσυφος", "k"), ("молоко", "k"), ("t-shirt", "t"), ("h&m", "t"), ("the who", "w")),
        *(("ZL-4711/B", "ZL-4711/B"), ("zl-4711", "ZL-4711/B"), ("4711", "ZL-4711/B"), ("zl4711", "ZL-4711/B")),
        *(("choc", "h"), ("chocola", "h"), ("Choco", "h"), ("zeb lam", "ZL-4711/B"), ("nest caf", "c")),
    ],
)
def test_what_people_type_is_found(client: TestClient, q: str, sku: str) -> None:
    assert sku in find(client, q=q)


@pytest.mark.usefixtures("worded")
@pytest.mark.parametrize(
    ("query", "skus"),
    [
        ({"brand": "nestle"}, ["c"]),
        ({"brand": "NESTLÉ", "q": "cafe"}, ["c"]),
        ({"category": "kase"}, ["c"]),
        ({"category": "Lamps", "q": "zebra"}, ["ZL-4711/B"]),
        ({"department": "grocery", "category": "lamps"}, ["ZL-4711/B"]),
        ({"brand": "nest"}, []),
    ],
)
def test_filters_find_a_name_in_any_spelling(client: TestClient, query: dict[str, Any], skus: list[str]) -> None:
    assert find(client, **query) == skus


@pytest.mark.usefixtures("worded")
@pytest.mark.parametrize(
    "q", ["%", "_", "';--", '"unclosed', "(", "-", "a" * 100, "\\", "':*", "!", "<->", "zebra -lamp"]
)
def test_odd_words_find_nothing_and_break_nothing(client: TestClient, q: str) -> None:
    assert find(client, q=q) == []


def test_parts_of_words_have_pages_too(client: TestClient, seller: Callable[[], Seller]) -> None:
    shop = seller()
    for number in range(7):
        shop.sells(f"P{number}", name=f"Chocolate {number}")
    for sort in ("relevance", "name", "price"):
        shown = [product["sku"] for page in pages(client, q="choco", limit=2, sort=sort) for product in page]
        assert sorted(shown) == [f"P{number}" for number in range(7)]


def test_a_changed_product_is_found_by_its_new_words(client: TestClient, seller: Callable[[], Seller]) -> None:
    shop = seller()
    product = shop.sells("A", name="Café", brand="Bean")
    shop.change(product["product_id"], name="Thé", brand="Léaf")
    assert find(client, q="the", brand="leaf") == ["A"]
    assert find(client, q="cafe") == find(client, brand="bean") == []


def test_a_category_in_another_spelling_is_the_same(client: TestClient, seller: Callable[[], Seller]) -> None:
    shop, other = seller(), seller()
    first = shop.sells("A", department="GROCERY", category="Tea")
    again = other.sells("B", department="Grocery", category="TEA ")
    assert again["category_id"] == first["category_id"]
    assert [category["name"] for category in client.get("/categories").json()["categories"]] == ["Tea"]
