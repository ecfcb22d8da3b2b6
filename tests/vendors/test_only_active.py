"""Tests that only an active vendor changes anything, on every route, even with a token that is still valid."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from app.ids import new_id
from app.signing import Role
from app.vendors.models import VendorState
from tests.shop import Shop
from tests.test_auth import MATRIX

Cell = tuple[str, str]
Brought = Callable[[VendorState], tuple[str, Any]]

CHANGING = sorted(cell for cell, roles in MATRIX.items() if Role.VENDOR in roles and cell[0] != "GET")
PRODUCT = {
    "sku": "tea-1",
    "name": "Green tea",
    "brand": "Leaf",
    "department": "GROCERY",
    "category": "TEA",
    "price_minor": 800,
    "currency": "USD",
    "stock": 5,
}
TERMS = {"mode": "auto", "percent": 15, "most_products": 5, "budget_minor": 10_000, "floors": []}
FEED = "sku,name,brand,department,category,price,stock\ntea-9,White tea,Leaf,GROCERY,TEA,8.00,5\n"
# What a vendor sends, and what an active one is answered: 404 where the thing itself is not there.
REQUESTS: dict[Cell, tuple[Any, int]] = {
    ("POST", "/products"): (PRODUCT, 201),
    ("PATCH", "/products/{product_id}"): ({"price_minor": 900}, 404),
    ("POST", "/vendors/{vendor_id}/transitions"): ({"to": "active"}, 409),
    ("POST", "/vendors/{vendor_id}/credentials"): ({}, 201),
    ("POST", "/vendors/{vendor_id}/feeds"): (FEED, 201),
    ("POST", "/orders/{order_id}/returns"): ({"line": 1, "units": 1, "reason": "too small"}, 404),
    ("PUT", "/insights/discounts/terms"): (TERMS, 200),
    ("POST", "/insights/discounts/{discount_id}/decision"): ({"approve": True}, 404),
}
STATES = [state for state in VendorState if state is not VendorState.ACTIVE]


def send(client: TestClient, headers: dict[str, str], cell: Cell, vendor_id: str) -> Response:
    method, path = cell
    body, _ = REQUESTS[cell]
    filled = "/".join(
        vendor_id if part == "{vendor_id}" else str(new_id()) if part.startswith("{") else part
        for part in path.split("/")
    )
    how: dict[str, Any] = {"content": body} if isinstance(body, str) else {"json": body}
    kind = {"Content-Type": "text/csv"} if isinstance(body, str) else {}
    return client.request(method, filled, headers={**headers, **kind, "Idempotency-Key": str(new_id())}, **how)


def everything(shop: Shop) -> list[tuple[str, str]]:
    """Return all rows of the tables that the services' login may read; those that it may not, it may not write."""
    readable = "relnamespace = 'public'::regnamespace AND relkind = 'r' AND has_table_privilege(oid, 'SELECT')"
    with shop.db.read() as session:
        tables = session.rows(f"SELECT relname FROM pg_class WHERE {readable} ORDER BY 1")
        return [(name, row) for (name,) in tables for row in _rows(session, name)]


def _rows(session: Any, table: str) -> Iterator[str]:
    yield from sorted(row for (row,) in session.rows(f'SELECT t::text FROM "{table}" t'))


def test_every_route_by_which_a_vendor_changes_something_is_tried() -> None:
    assert sorted(REQUESTS) == CHANGING


@pytest.mark.parametrize("cell", CHANGING, ids=" ".join)
def test_what_is_sent_is_what_an_active_vendor_may_send(client: TestClient, vendor: Brought, cell: Cell) -> None:
    vendor_id, itself = vendor(VendorState.ACTIVE)
    answer = send(client, itself.headers, cell, vendor_id)
    assert answer.status_code == REQUESTS[cell][1], answer.text


@pytest.mark.parametrize("state", STATES)
def test_a_vendor_that_is_not_active_changes_nothing_on_any_route(
    client: TestClient, shop: Shop, vendor: Brought, state: VendorState
) -> None:
    vendor_id, itself = vendor(state)
    before = everything(shop)
    for cell in CHANGING:
        if (state, cell) == (VendorState.APPROVED, ("POST", "/vendors/{vendor_id}/transitions")):
            continue  # the one move that is its own
        answer = send(client, itself.headers, cell, vendor_id)
        assert answer.status_code in {403, 409}, (cell, answer.text)
    assert everything(shop) == before
    assert itself.get(f"/vendors/{vendor_id}").json()["state"] == state
    assert itself.get("/insights/discounts/terms").json()["mode"] == "off"


def test_a_suspended_vendor_changes_nothing_of_what_it_has(
    client: TestClient, shop: Shop, vendor: Brought, admin: Any
) -> None:
    """Tries to change its product, a sold line, its discount terms and its secret; an administrator may do the last."""
    vendor_id, itself = vendor(VendorState.ACTIVE)
    product = UUID(itself.post("/products", PRODUCT).json()["product_id"])
    order = shop.order(shop.member(), (product, 2)).order.order_id
    suspended = {"to": "suspended", "reasons": ["A test"]}
    assert admin.post(f"/vendors/{vendor_id}/transitions", suspended).status_code == 201
    before = everything(shop)
    for answer in (
        itself.patch(f"/products/{product}", {"price_minor": 1}),
        itself.post(f"/orders/{order}/returns", {"line": 1, "units": 1, "reason": "late"}),
        itself.put("/insights/discounts/terms", {**TERMS, "floors": [{"product_id": str(product), "floor_minor": 1}]}),
        itself.post(f"/vendors/{vendor_id}/credentials", {}),
    ):
        assert answer.status_code == 409
        assert "suspended" in answer.json()["detail"]
    assert everything(shop) == before
    assert admin.post(f"/vendors/{vendor_id}/credentials", {}).status_code == 201
