"""Vendors that are on board, and what they sell."""

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
    """An active vendor at the API."""

    vendor_id: UUID
    api: Any

    def offer(self, sku: str, **said: Any) -> Response:
        answer: Response = self.api.post("/products", product(sku, **said))
        return answer

    def sells(self, sku: str, **said: Any) -> Any:
        answer = self.offer(sku, **said)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def change(self, product_id: str, **said: Any) -> Response:
        answer: Response = self.api.patch(f"/products/{product_id}", said)
        return answer


def product(sku: str, **said: Any) -> dict[str, Any]:
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
    return {**default, **said}


@pytest.fixture
def seller(db: Database, clock: Clock, caller: Callable[[Role, UUID], Any]) -> Callable[[], Seller]:
    """Each call takes one more vendor on board."""

    def one() -> Seller:
        vendor_id = new_id()
        with db.write() as session:
            vendors.onboard_all(session, {vendor_id: "A vendor"}, clock)
        return Seller(vendor_id, caller(Role.VENDOR, vendor_id))

    return one


@pytest.fixture
def admin(caller: Callable[[Role, UUID], Any]) -> Any:
    return caller(Role.ADMIN, new_id())
