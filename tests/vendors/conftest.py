"""Fixtures of companies that apply to become vendors, and of vendors in any state."""

from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from app.ids import new_id
from app.signing import Role
from app.vendors.models import VendorState

_NUMBERS = count(10_000)


def company(**fields: Any) -> dict[str, Any]:
    """Return the application of a new company, which passes every check."""
    number = next(_NUMBERS)
    default = {
        "name": f"Company {number}",
        "legal_name": f"Company {number} Inc.",
        "country": "US",
        "tax_id": f"12-{number}",
        "email": f"orders@company{number}.example",
        "website": f"https://company{number}.example",
        "currency": "USD",
    }
    return {**default, **fields}


@pytest.fixture
def apply(client: TestClient) -> Callable[..., Response]:
    def send(key: str | None = None, **fields: Any) -> Response:
        return client.post("/vendors", json=company(**fields), headers={"Idempotency-Key": key or str(new_id())})

    return send


@pytest.fixture
def admin(caller: Callable[[Role, UUID], Any]) -> Any:
    return caller(Role.ADMIN, new_id())


@pytest.fixture
def vendor(
    apply: Callable[..., Response], admin: Any, caller: Callable[[Role, UUID], Any]
) -> Callable[[VendorState], tuple[str, Any]]:
    """Return a function that brings a new vendor into a state; it returns the vendor's id and API caller."""
    ways: dict[VendorState, list[tuple[VendorState, bool]]] = {
        VendorState.APPLIED: [],
        VendorState.REJECTED: [(VendorState.REJECTED, True)],
        VendorState.APPROVED: [(VendorState.APPROVED, True)],
        VendorState.ACTIVE: [(VendorState.APPROVED, True), (VendorState.ACTIVE, False)],
        VendorState.SUSPENDED: [
            (VendorState.APPROVED, True),
            (VendorState.ACTIVE, False),
            (VendorState.SUSPENDED, True),
        ],
    }

    def brought(state: VendorState) -> tuple[str, Any]:
        vendor_id = apply().json()["vendor_id"]
        itself = caller(Role.VENDOR, UUID(vendor_id))
        for to, by_admin in ways[state]:
            answer = (admin if by_admin else itself).post(
                f"/vendors/{vendor_id}/transitions", {"to": to, "reasons": ["A test"]}
            )
            assert answer.status_code == 201, answer.text
        return vendor_id, itself

    return brought
