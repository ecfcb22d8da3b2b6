"""Tests that a rule or offer beyond the program's limits starts only after a second administrator's approval."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

import pytest

from app.campaigns import guard
from app.ids import new_id
from app.signing import Role
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
WHY = {"reason": "A test"}
START = {"to": "running", **WHY}
DATES = {"starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-04-01T00:00:00Z"}
OFFER = {"name": "A slip", **DATES}
EVERYTHING = {"name": "A slip", "scope": "everything"}

SLIPS: list[tuple[str, dict[str, Any], str]] = [
    ("/rules", {**EVERYTHING, "method": "fixed", "amount": 1_000_000}, "most_points_per_unit"),
    ("/rules", {**EVERYTHING, "method": "rate", "amount": 1_000}, "most_percent"),
    ("/rules", {**EVERYTHING, "method": "cash_back", "amount": 100_000}, "most_percent"),
    ("/rules", {**EVERYTHING, "method": "multiplier", "amount": 1_000}, "most_multiplier_percent"),
    (
        "/offers",
        {"name": "A slip", "terms": {"kind": "promotion", "percent": 1_000}, **DATES},
        "most_multiplier_percent",
    ),
    ("/offers", {"name": "A slip", "terms": {"kind": "bonus", "points": 1_000_000}, **DATES}, "most_points_per_unit"),
]
slips = pytest.mark.parametrize(("path", "slip", "limit"), SLIPS)


def at(path: str, answer: Any) -> str:
    return f"{path}/{answer.json().get('offer_id', answer.json().get('rule_id'))}"


@slips
def test_a_slip_is_kept_as_a_draft_and_starts_after_a_second_administrators_approval(
    shop: Shop, caller: Calls, path: str, slip: dict[str, Any], limit: str
) -> None:
    author, second = (caller(Role.ADMIN, new_id()) for _ in range(2))
    product, member = shop.product(price_minor=51_600), shop.member()
    answer = author.post(path, slip)
    assert (answer.status_code, answer.json()["state"]) == (201, "draft")
    assert [wrong["field"] for wrong in answer.json()["past_limits"]] == [limit]
    assert sum(lot.points for lot in shop.order(member, (product, 1)).lots) == 2_580
    subject = at(path, answer)
    for api in (author, second):
        refused = api.post(f"{subject}/transitions", START)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (409, limit)
        assert refused.json()["type"].endswith("needs-approval")
    assert author.post(f"{subject}/approvals", WHY).status_code == 403
    assert author.post(f"{subject}/transitions", START).status_code == 409
    assert second.post(f"{subject}/approvals", WHY).status_code == 201
    assert author.post(f"{subject}/transitions", START).status_code == 201
    assert author.post(f"{subject}/transitions", {"to": "ended", **WHY}).status_code == 201
    assert sum(lot.points for lot in shop.order(member, (product, 1)).lots) == 2_580


@slips
def test_a_change_voids_the_approval_and_its_author_approves_nothing(
    caller: Calls, path: str, slip: dict[str, Any], limit: str
) -> None:
    """An approval is void even if a second change restores the approved content."""
    author, second, third = (caller(Role.ADMIN, new_id()) for _ in range(3))
    subject = at(path, author.post(path, slip))
    assert second.post(f"{subject}/approvals", WHY).status_code == 201
    for name in ("Another", "A slip"):
        assert second.patch(subject, {"name": name, **WHY}).status_code == 200
    assert author.post(f"{subject}/transitions", START).status_code == 409
    for api in (author, second):  # who made it, and who changed it last
        assert api.post(f"{subject}/approvals", WHY).status_code == 403
    for _ in range(2):  # counts once
        assert third.post(f"{subject}/approvals", WHY).status_code == 201
    assert author.post(f"{subject}/transitions", START).status_code == 201


def test_a_copy_of_what_was_approved_is_not_approved(caller: Calls) -> None:
    author, second = (caller(Role.ADMIN, new_id()) for _ in range(2))
    subject = at("/rules", author.post("/rules", SLIPS[0][1]))
    assert second.post(f"{subject}/approvals", WHY).status_code == 201
    copied = at("/rules", author.post(f"{subject}/copies", WHY))
    assert author.post(f"{copied}/transitions", START).status_code == 409


def test_what_is_ordinary_starts_at_once(shop: Shop, caller: Calls) -> None:
    api, product = caller(Role.ADMIN, new_id()), str(shop.product(price_minor=500))
    for terms in (
        {"kind": "promotion", "percent": 300},
        {"kind": "bonus", "points": 600, "scope": "product", "target": product},
    ):
        answer = api.post("/offers", {"name": "Ordinary", "terms": terms, **DATES})
        assert (answer.json()["state"], answer.json()["past_limits"]) == ("running", [])
    dear = {"kind": "bonus", "points": 1_001, "scope": "product", "target": product}
    assert api.post("/offers", {"name": "Dear", "terms": dear, **DATES}).json()["state"] == "draft"


def test_the_program_sets_the_limits(caller: Calls) -> None:
    api = caller(Role.ADMIN, new_id())
    assert api.patch("/program", {"most_percent": 4}).json()["most_percent"] == 4
    five = {**EVERYTHING, "method": "rate", "amount": 5}
    assert api.post("/rules", five).json()["past_limits"][0]["field"] == "most_percent"
    assert api.post("/rules", {**five, "amount": 4}).json()["state"] == "running"


def test_what_was_approved_is_recorded_by_each_of_its_fields_and_edits(shop: Shop) -> None:
    rule = shop.rule(1)
    content = asdict(rule)
    approved = guard.fingerprint(rule, content)
    assert guard.fingerprint(rule, {**content, "stage": "ended", "author": None, "editor": None}) == approved
    others = [guard.fingerprint(rule, {**content, name: "another"}) for name in ("name", "scope", "amount", "budget")]
    others.append(guard.fingerprint(replace(rule, edits=rule.edits + 1), content))
    assert len({approved, *others}) == 6
