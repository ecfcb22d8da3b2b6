"""Fixtures: active vendors with products."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response

from app.clock import Clock
from app.db import Database
from app.ids import new_id
from app.signing import Role
from app.vendors import service as vendors


@dataclass(frozen=True)
class Seller:
    """An active vendor, who calls the API."""

    vendor_id: UUID
    api: Any

    def offer(self, sku: str, **fields: Any) -> Response:
        answer: Response = self.api.post("/products", product(sku, **fields))
        return answer

    def sells(self, sku: str, **fields: Any) -> Any:
        answer = self.offer(sku, **fields)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def change(self, product_id: str, **fields: Any) -> Response:
        answer: Response = self.api.patch(f"/products/{product_id}", fields)
        return answer


def product(sku: str, **fields: Any) -> dict[str, Any]:
    default = {
        "sku": sku,
        "name": f"Thing {sku}",
        "brand": "Millrace",
        "department": "GROCERY",
        "category": "COOKIES",
        "price_minor": 349,
        "currency": "USD",
        "stock": 10,
    }
    return {**default, **fields}


@pytest.fixture
def seller(db: Database, clock: Clock, caller: Callable[[Role, UUID], Any]) -> Callable[[], Seller]:
    """Return a function that registers another active vendor at each call."""

    def onboard() -> Seller:
        vendor_id = new_id()
        with db.write() as session:
            vendors.onboard_all(session, {vendor_id: "A vendor"}, clock)
        return Seller(vendor_id, caller(Role.VENDOR, vendor_id))

    return onboard


@pytest.fixture
def admin(caller: Callable[[Role, UUID], Any]) -> Any:
    return caller(Role.ADMIN, new_id())
