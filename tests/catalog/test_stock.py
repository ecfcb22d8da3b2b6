"""Tests that orders subtract units from stock, and returns add them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from app.catalog import service
from app.db import Database
from app.errors import OutOfStock
from app.ids import new_id
from tests.catalog.conftest import Seller

Shop = Callable[[], Seller]


def on_hand(db: Database, product_id: UUID) -> int:
    with db.write() as session:
        held: int = service.ask_to_take(session, {product_id: 0})()[product_id].on_hand
        return held


def test_only_what_may_be_sold_is_for_sale(db: Database, seller: Shop, admin: Any) -> None:
    shop, suspended = seller(), seller()
    good, resting, gone = shop.sells("A"), shop.sells("B", active=False), suspended.sells("C")
    admin.post(f"/vendors/{suspended.vendor_id}/transitions", {"to": "suspended", "reasons": ["A complaint"]})
    product_ids = [UUID(product["product_id"]) for product in (good, resting, gone)] + [new_id()]
    with db.write() as session:
        products = service.ask_to_take(session, dict.fromkeys(product_ids, 1))()
    assert list(products) == [product_ids[0]]
    assert (
        products[product_ids[0]].sku,
        products[product_ids[0]].on_hand,
        products[product_ids[0]].return_window_days,
    ) == ("A", 10, 14)


def test_the_last_of_the_stock_can_be_taken(db: Database, seller: Shop) -> None:
    product_id = UUID(seller().sells("A", stock=5)["product_id"])
    with db.write() as session:
        service.ask_to_take(session, {product_id: 5})()
    assert on_hand(db, product_id) == 0


def test_too_little_stock_is_named_product_by_product(db: Database, seller: Shop) -> None:
    shop = seller()
    names = {"A": 9, "B": 1, "C": 0}
    ids = {sku: UUID(shop.sells(sku, name=f"Thing {sku}", stock=stock)["product_id"]) for sku, stock in names.items()}
    with pytest.raises(OutOfStock) as refused, db.write() as session:
        service.ask_to_take(session, dict.fromkeys(ids.values(), 2))()
    assert {error.field: error.message for error in refused.value.errors} == {
        str(ids["B"]): "Thing B: 1 left, 2 asked",
        str(ids["C"]): "Thing C: 0 left, 2 asked",
    }


def test_many_orders_at_once_never_sell_more_than_there_is(db: Database, seller: Shop) -> None:
    """Concurrent orders take two products in opposite orders: no deadlock, and no more units sold than in stock."""
    shop = seller()
    both = [UUID(shop.sells(sku, stock=20)["product_id"]) for sku in ("A", "B")]
    start = Barrier(6)

    def orders(number: int) -> int:
        product_ids = both if number % 2 else both[::-1]
        start.wait()
        sold = 0
        for _ in range(5):
            try:
                with db.write() as session:
                    service.ask_to_take(session, dict.fromkeys(product_ids, 1))()
                sold += 1
            except OutOfStock:
                pass
        return sold

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(orders, range(6))) == 20
    assert [on_hand(db, product_id) for product_id in both] == [0, 0]
