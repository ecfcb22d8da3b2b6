"""Tests of setting return terms, as a vendor for products and as an administrator for categories."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from app.catalog.return_terms import ReturnReason
from app.db import Database
from app.ids import new_id
from app.ledger import service as journal
from app.signing import Role
from tests.catalog.conftest import Seller
from tests.shop import Shop

FULLEST = {"final_sale": False, "most_units": 10_000, "reasons": list(ReturnReason), "points": "within_balance"}
WRONG = [
    ({"days": 366}, "days"),
    ({"days": "3"}, "days"),
    ({"final_sale": 1}, "final_sale"),
    ({"final_sale": "yes"}, "final_sale"),
    ({"most_units": 0}, "most_units"),
    ({"most_units": 1.5}, "most_units"),
    ({"reasons": []}, "reasons"),
    ({"reasons": ["damaged", "whim"]}, "reasons.1"),
    ({"reasons": "damaged"}, "reasons"),
    ({"points": "none"}, "points"),
    ({"final_sale": True, "unheard_of": 1}, "unheard_of"),
]


@pytest.mark.parametrize(("terms", "place"), WRONG)
@pytest.mark.parametrize("at", ["new product", "product", "category", "program"])
def test_terms_that_cannot_be_are_refused_each_by_its_name(
    client: TestClient, seller: Callable[[], Seller], admin: Any, at: str, terms: dict[str, Any], place: str
) -> None:
    shop = seller()
    product = shop.sells("A", return_terms={"most_units": 3})
    before = client.get("/program").json(), client.get("/categories").json(), client.get("/products").json()
    send: dict[str, Callable[[], Any]] = {
        "new product": lambda: shop.offer("B", return_terms=terms),
        "product": lambda: shop.change(product["product_id"], return_terms=terms),
        "category": lambda: admin.patch(f"/categories/{product['category_id']}", {"return_terms": terms}),
        "program": lambda: admin.patch("/program", {"return_terms": terms}),
    }
    answer = send[at]()
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [f"body.return_terms.{place}"]
    after = client.get("/program").json(), client.get("/categories").json(), client.get("/products").json()
    assert after == before


def test_what_is_left_out_stays_and_null_gives_a_term_up(seller: Callable[[], Seller], admin: Any) -> None:
    shop = seller()
    product = shop.sells("A", return_terms={"most_units": 3, "reasons": ["damaged"], "days": 20, "points": None})
    default = {"points": "within_balance"}
    assert product["return_terms"] == {**default, "days": 20, "most_units": 3, "reasons": ["damaged"]}
    changed = shop.change(product["product_id"], return_terms={"most_units": None, "final_sale": False}).json()
    assert changed["return_terms"] == {**default, "days": 20, "final_sale": False, "reasons": ["damaged"]}
    assert shop.change(product["product_id"], price_minor=1).json()["return_terms"] == changed["return_terms"]
    reset = shop.change(product["product_id"], return_terms=dict.fromkeys([*changed["return_terms"]])).json()
    assert reset["return_terms"] == {**default, "days": 14}
    category = f"/categories/{product['category_id']}"
    assert admin.patch(category, {"return_terms": {"final_sale": True}}).json()["return_terms"] == {
        "final_sale": True,
        "days": 0,
    }
    both = admin.patch(category, {"return_window_days": 3, "return_terms": {"final_sale": None}}).json()
    assert (both["return_terms"], both["return_window_days"]) == ({"days": 3}, 3)
    assert admin.patch(category, {}).json() == both
    for sent in ({"most_units": 2}, {"final_sale": False}, {"most_units": None}):
        shown = admin.patch("/program", {"return_terms": sent}).json()["return_terms"]
    assert shown == {**default, "days": 14, "final_sale": False}


def test_days_and_the_window_are_one(client: TestClient, seller: Callable[[], Seller], admin: Any) -> None:
    shop = seller()
    product = shop.sells("A", return_terms={"days": 30})
    assert product["return_window_days"] == 30
    assert shop.change(product["product_id"], return_window_days=9).json()["return_terms"]["days"] == 9
    assert shop.change(product["product_id"], return_window_days=8, return_terms={"days": 8}).status_code == 200
    twice = shop.change(product["product_id"], return_window_days=8, return_terms={"days": 7})
    assert (twice.status_code, twice.json()["errors"][0]["field"]) == (422, "return_terms.days")
    program = admin.patch("/program", {"return_terms": {"days": 21, "points": "negative"}}).json()
    assert (program["return_window_days"], program["return_policy"]) == (21, "negative")
    for kind in ("days", "points"):
        refused = admin.patch("/program", {"return_terms": {kind: None}})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, f"return_terms.{kind}")
    assert client.get("/program").json() == program


HEADER = "sku,name,brand,department,category,price,return_final_sale,return_most_units,return_reasons,return_points"


def feed(shop: Seller, *rows: str, columns: str = HEADER) -> Any:
    text = "\n".join([columns, *rows])
    headers = {**shop.api.headers, "Content-Type": "text/csv", "Idempotency-Key": str(new_id())}
    answer = shop.api.client.post(f"/vendors/{shop.vendor_id}/feeds?mode=good_rows", content=text, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_feed_says_terms_in_columns_of_their_own(client: TestClient, seller: Callable[[], Seller]) -> None:
    shop = seller()
    rows = ["A,A,B,D,C,1.00,yes,,,", "B,B,B,D,C,1.00,,2,damaged wrong_item,only_pending", "C,C,B,D,C,1.00,,,,"]
    assert feed(shop, *rows)["created"] == 3
    shown = {product["sku"]: product["return_terms"] for product in client.get("/products").json()["products"]}
    default = {"days": 14, "points": "within_balance"}
    assert shown == {
        "A": {**default, "days": 0, "final_sale": True},
        "B": {"days": 14, "most_units": 2, "reasons": ["damaged", "wrong_item"], "points": "only_pending"},
        "C": default,
    }
    again = feed(shop, *rows)
    assert (again["updated"], again["unchanged"]) == (0, 3)
    plain = "sku,name,brand,department,category,price"
    assert feed(shop, *("A,A,B,D,C,1.00", "B,B,B,D,C,1.00", "C,C,B,D,C,1.00"), columns=plain)["unchanged"] == 3
    assert feed(shop, "A,A,B,D,C,1.00,no,,,", "B,B,B,D,C,1.00,,9,,")["updated"] == 2
    shown = {product["sku"]: product["return_terms"] for product in client.get("/products").json()["products"]}
    assert shown["A"] == {**default, "final_sale": False}
    assert shown["B"] == {"days": 14, "most_units": 9, "reasons": ["damaged", "wrong_item"], "points": "only_pending"}


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ("maybe,,,", "return_final_sale"),
        (",0,,", "return_most_units"),
        (",two,,", "return_most_units"),
        (",,whim,", "return_reasons"),
        (",,,none", "return_points"),
        (",,=cmd(),", "return_reasons"),
    ],
)
def test_a_cell_that_is_no_term_costs_its_row(seller: Callable[[], Seller], cells: str, column: str) -> None:
    report = feed(seller(), f"A,A,B,D,C,1.00,{cells}", "B,B,B,D,C,1.00,,,,")
    assert (report["created"], report["refused"]) == (1, 1)
    assert [(error["column"], error["code"]) for error in report["errors"]] == [(column, "not-a-term")]


def test_the_journal_says_the_terms_of_what_a_feed_changed(db: Database, seller: Callable[[], Seller]) -> None:
    shop = seller()
    feed(shop, "A,A,B,D,C,1.00,yes,,,", "B,B,B,D,C,1.00,,,,", "C,C,B,D,C,1.00,yes,,,")
    with db.read() as session:
        (entry,) = journal.history(session, "products", f"catalogue-{shop.vendor_id}/0")
    (item,) = entry.data["items"]
    assert item["products"] == [["A", 100, 0, None, 0], ["B", 100, 0, None], ["C", 100, 0, None, 0]]
    assert item["return_terms"] == [{"final_sale": True}]


def test_200_lines_of_the_fullest_terms_are_journaled_whole(shop: Shop, db: Database) -> None:
    vendor = shop.vendor()
    products = [shop.product(vendor, return_terms={**FULLEST, "most_units": 10_000 - n}) for n in range(200)]
    placed = shop.order(shop.member(), *[(product, 10_000) for product in products])
    with db.read() as session:
        (entry,) = journal.history(session, "orders", placed.order.order_id)
    lines = entry.data["lines"]
    assert [line["return_terms"] for line in lines] == [line.return_terms for line in placed.lines]
    assert lines[199]["return_terms"] == {**FULLEST, "most_units": 9_801, "days": 14}


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ANALYST, Role.VENDOR])
def test_those_of_categories_are_for_administrators(
    caller: Callable[[Role, UUID], Any], seller: Callable[[], Seller], role: Role
) -> None:
    product = seller().sells("A")
    someone = caller(role, new_id())
    assert someone.patch(f"/categories/{product['category_id']}", {"return_terms": {"days": 1}}).status_code == 403
    assert someone.patch("/program", {"return_terms": {"days": 1}}).status_code == 403
