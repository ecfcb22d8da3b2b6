"""Tests of creating and updating many products in one call."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from app.catalog import product_changes, service
from app.catalog.models import ProductChange, UpsertCount
from app.clock import Clock
from app.db import Database
from app.errors import Conflict
from app.ids import new_id
from app.ledger import service as journal
from tests.catalog.conftest import Seller

Shop = Callable[[], Seller]
ROWS = [
    ProductChange(f"S{number}", f"Thing {number}", "Millrace", "GROCERY", f"C{number % 3}", 100 + number, stock=number)
    for number in range(9)
]


def test_rows_are_created_then_updated_or_left(db: Database, clock: Clock, seller: Shop) -> None:
    vendor_id = seller().vendor_id
    changed = [replace(ROWS[0], price_minor=1), replace(ROWS[1], stock=77), *ROWS[2:], replace(ROWS[0], sku="new")]
    with db.write() as session:
        assert product_changes.load(session, {vendor_id: ROWS}, clock) == UpsertCount(9, 0, 0)
    with db.write() as session:
        assert product_changes.load(session, {vendor_id: ROWS}, clock) == UpsertCount(0, 0, 9)
        assert product_changes.load(session, {vendor_id: changed}, clock) == UpsertCount(1, 2, 7)
        products = service.ask_to_take(session, {service.product_id_of(vendor_id, row.sku): 0 for row in changed})()
    stored = {
        product.sku: (product.name, product.category, product.price_minor, product.on_hand)
        for product in products.values()
    }
    assert stored == {row.sku: (row.name, row.category, row.price_minor, row.stock) for row in changed}


def test_what_a_row_does_not_say_stays_as_it_is(db: Database, clock: Clock, client: TestClient, seller: Shop) -> None:
    shop = seller()
    product = shop.sells("A", description="Told before", return_window_days=30, stock=4, active=False)
    row = ProductChange(
        "A", "New name", product["brand"], product["department"], product["category"], product["price_minor"]
    )
    with db.write() as session:
        assert product_changes.load(session, {shop.vendor_id: [row]}, clock) == UpsertCount(0, 1, 0)
    shop.change(product["product_id"], active=True)
    assert client.get(f"/products/{product['product_id']}").json() == {**product, "name": "New name", "active": True}


def test_nothing_to_do_is_nothing_done(db: Database, clock: Clock, seller: Shop) -> None:
    with db.write() as session:
        assert product_changes.load(session, {seller().vendor_id: []}, clock) == UpsertCount(0, 0, 0)


def test_products_of_unknown_vendors_are_refused(db: Database, clock: Clock) -> None:
    with pytest.raises(Conflict), db.write() as session:
        product_changes.load(session, {new_id(): ROWS}, clock)


def test_vendors_load_together_and_the_journal_tells_what_changed(db: Database, clock: Clock, seller: Shop) -> None:
    vendor, other = seller().vendor_id, seller().vendor_id
    many = [replace(ROWS[0], sku=f"M{number}") for number in range(250)]
    with db.write() as session:
        assert product_changes.load(session, {vendor: many, other: ROWS}, clock) == UpsertCount(259, 0, 0)
    with db.read() as session:
        batches = journal.history(session, "products", "catalogue-load/0")[0].data["items"]
    assert [
        (item["vendor_id"], len(item["products"])) for item in sorted(batches, key=lambda item: len(item["products"]))
    ] == [
        (str(other), 9),
        (str(vendor), 50),
        (str(vendor), 100),
        (str(vendor), 100),
    ]
    assert ["S4", 104, 4, None] in [product for item in batches for product in item["products"]]
