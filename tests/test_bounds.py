"""Tests that amounts above the platform's maximum are refused, and that the error names the field."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.ids import new_id
from app.money import MOST_MINOR, MOST_POINTS
from app.offers.models import Item, Terms
from app.signing import Role
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
_RULE = {"name": "A rule", "scope": "everything", "method": "rate", "amount": 1}
_VOUCHER = {"kind": "voucher", "code": "CODE-1", "uses": 1}
TOO_MUCH = [
    *(("/rules", {**_RULE, name: MOST_POINTS + 1}) for name in ("cap_member", "cap_member_day", "budget", "amount")),
    *(("/offers", {**_VOUCHER, name: MOST_POINTS + 1}) for name in ("cap_member", "cap_member_day", "budget", "uses")),
    ("/offers", {"kind": "item", "points": MOST_POINTS + 1}),
    ("/offers", {"kind": "bonus", "points": MOST_POINTS + 1}),
    ("/offers", {"kind": "subscription", "points": MOST_POINTS + 1}),
    ("/offers", {"kind": "subscription", "price_minor": MOST_MINOR + 1, "grace_days": 1}),
    ("/program", {"minor_per_100_points": MOST_MINOR}),
]


@pytest.mark.parametrize(("path", "amounts"), TOO_MUCH)
def test_an_amount_past_the_most_is_refused(caller: Calls, shop: Shop, path: str, amounts: dict[str, object]) -> None:
    now = shop.clock.now()
    dates = {"starts_at": now.isoformat(), "ends_at": (now + timedelta(days=1)).isoformat()}
    stock = {"on_hand": 1} if amounts.get("kind") == "item" else {}
    body = {"name": "An offer", "terms": amounts, **dates, **stock} if path == "/offers" else amounts
    admin = caller(Role.ADMIN, new_id())
    answer = admin.patch(path, body) if path == "/program" else admin.post(path, body)
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/redemptions", {"kind": "cash_back", "points": MOST_POINTS + 1}),
        ("/orders", {"lines": [{"product_id": str(new_id()), "units": 1}], "pay_points": MOST_POINTS + 1}),
        ("/orders", {"lines": [{"product_id": str(new_id()), "units": 1}], "expected_total_minor": MOST_MINOR + 1}),
    ],
)
def test_what_a_member_asks_for_is_bounded_too(caller: Calls, shop: Shop, path: str, body: dict[str, object]) -> None:
    answer = caller(Role.MEMBER, shop.member()).post(path, body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("body.")


def test_an_offer_stored_before_the_bound_is_read_as_ever() -> None:
    stored = {"kind": "item", "points": 10 * MOST_POINTS}
    assert Terms.of_column(stored) == Item.model_construct(points=10 * MOST_POINTS)
