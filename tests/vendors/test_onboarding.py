"""Applications, the automatic checks, and the states that follow."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from app.clock import Clock
from app.db import Database
from app.ids import new_id
from app.ledger import service as journal
from app.signing import Role
from app.vendors import service
from app.vendors.models import MOVES, NEED_REASONS, VendorState

Apply = Callable[..., Response]
Brought = Callable[[VendorState], tuple[str, Any]]


def move(who: Any, vendor_id: str, to: str, *reasons: str) -> Response:
    answer: Response = who.post(f"/vendors/{vendor_id}/transitions", {"to": to, "reasons": list(reasons)})
    return answer


def test_a_good_application_passes_every_check_and_gets_credentials(apply: Apply) -> None:
    answer = apply()
    said = answer.json()
    assert (answer.status_code, said["state"], said["reasons"]) == (201, "applied", [])
    assert [check["name"] for check in said["checks"]] == [
        *("country", "currency", "tax_id", "email", "website", "not_on_board")
    ]
    assert all(check["passed"] and check["says"] for check in said["checks"])
    assert said["client_id"] == said["vendor_id"]
    assert len(said["client_secret"]) == 43


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        ({"country": "ZZ"}, "country"),
        ({"currency": "EUR"}, "currency"),
        ({"tax_id": "1234"}, "tax_id"),
        ({"tax_id": "1" * 21}, "tax_id"),
        ({"tax_id": "12_34567"}, "tax_id"),
        ({"email": "me@GMail.com"}, "email"),
        ({"website": "http://company.example"}, "website"),
        ({"website": "https://localhost"}, "website"),
        ({"website": "https://127.0.0.1/"}, "website"),
        ({"website": "https://[bad"}, "website"),
    ],
)
def test_a_failed_check_rejects_with_its_reason_and_no_secret(
    apply: Apply, admin: Any, wrong: dict[str, Any], check: str
) -> None:
    said = apply(**wrong).json()
    failed = [one for one in said["checks"] if not one["passed"]]
    assert [one["name"] for one in failed] == [check]
    assert (said["state"], said["reasons"]) == ("rejected", [failed[0]["says"]])
    assert said["client_secret"] is None
    kept = admin.get(f"/vendors/{said['vendor_id']}").json()
    assert (kept["checks"], kept["reasons"]) == (said["checks"], said["reasons"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"country": "USA"},
        {"country": "1A"},
        {"currency": "$"},
        {"email": "nobody"},
        {"email": "a@b@c.example"},
        {"name": ""},
        {"name": "a\0b"},
        {"legal_name": 7},
        {"colour": "red"},
    ],
)
def test_an_application_that_cannot_be_is_not_kept(apply: Apply, admin: Any, wrong: dict[str, Any]) -> None:
    assert apply(**wrong).status_code == 422
    assert admin.get("/vendors").json()["vendors"] == []


def test_a_company_is_on_board_once_however_its_tax_id_is_written(apply: Apply, admin: Any) -> None:
    first = apply(tax_id="12-34567").json()
    second = apply(tax_id="123 456-7", country="us").json()
    assert [check["name"] for check in second["checks"] if not check["passed"]] == ["not_on_board"]
    assert apply(tax_id="12-34567", country="DE").json()["state"] == "applied"
    assert move(admin, first["vendor_id"], "rejected", "Withdrawn").status_code == 201
    assert apply(tax_id="12-34567").json()["state"] == "applied"


def test_of_applications_at_the_same_moment_one_is_taken(apply: Apply) -> None:
    with ThreadPoolExecutor(4) as threads:
        states = list(threads.map(lambda _: apply(tax_id="99-99999").json()["state"], range(4)))
    assert sorted(states) == ["applied", "rejected", "rejected", "rejected"]


def test_the_secret_is_shown_once_and_kept_nowhere(apply: Apply, db: Database) -> None:
    first = apply(
        "k", name="One", legal_name="One", tax_id="12-34567", email="a@one.example", website="https://one.example"
    )
    again = apply(
        "k", name="One", legal_name="One", tax_id="12-34567", email="a@one.example", website="https://one.example"
    )
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == {**first.json(), "client_secret": None}
    secret = first.json()["client_secret"]
    with db.read() as session:
        kept = [*session.rows("SELECT v::text FROM vendors v"), *session.rows("SELECT answer FROM idempotency_keys")]
        kept += session.rows("SELECT data::text FROM journal_revisions")
    assert len(kept) == 3
    assert not [row for row in kept if secret in row[0]]


@pytest.mark.parametrize(("state", "to"), list(product(VendorState, VendorState)))
def test_a_vendor_moves_only_as_the_table_says(
    vendor: Brought, admin: Any, state: VendorState, to: VendorState
) -> None:
    vendor_id, itself = vendor(state)
    by = MOVES[state].get(to)
    answer = move(itself if by is Role.VENDOR else admin, vendor_id, to, "A reason")
    if by:
        assert (answer.status_code, answer.json()["state"], answer.json()["reasons"]) == (201, to, ["A reason"])
        return
    assert answer.status_code == 409
    said = answer.json()["detail"].partition("it can become ")[2].partition(", not")[0]
    assert said == (" or ".join(MOVES[state]) or "nothing else")
    assert admin.get(f"/vendors/{vendor_id}").json()["state"] == state


@pytest.mark.parametrize(("state", "to"), [(state, to) for state in MOVES for to in MOVES[state]])
def test_each_move_is_for_one_role(vendor: Brought, admin: Any, state: VendorState, to: VendorState) -> None:
    vendor_id, itself = vendor(state)
    wrong = admin if MOVES[state][to] is Role.VENDOR else itself
    assert move(wrong, vendor_id, to, "A reason").status_code == 403
    assert admin.get(f"/vendors/{vendor_id}").json()["state"] == state


@pytest.mark.parametrize(("state", "to"), [(state, to) for state in MOVES for to in MOVES[state] if to in NEED_REASONS])
def test_rejecting_and_suspending_need_a_reason(
    vendor: Brought, admin: Any, state: VendorState, to: VendorState
) -> None:
    vendor_id, _ = vendor(state)
    assert move(admin, vendor_id, to).status_code == 422
    assert admin.get(f"/vendors/{vendor_id}").json()["state"] == state


def test_an_unknown_state_is_refused_with_those_there_are(vendor: Brought, admin: Any) -> None:
    answer = move(admin, vendor(VendorState.APPLIED)[0], "loved")
    assert answer.status_code == 422
    assert all(state in answer.json()["detail"] for state in VendorState)


def test_another_vendor_is_not_found(vendor: Brought, admin: Any) -> None:
    vendor_id, itself = vendor(VendorState.APPROVED)
    _, other = vendor(VendorState.ACTIVE)
    assert itself.get(f"/vendors/{vendor_id}").json() == admin.get(f"/vendors/{vendor_id}").json()
    assert other.get(f"/vendors/{vendor_id}").status_code == 404
    assert move(other, vendor_id, "active").status_code == 404
    assert other.post(f"/vendors/{vendor_id}/credentials", {}).status_code == 404
    assert admin.get(f"/vendors/{new_id()}").status_code == 404
    assert move(admin, str(new_id()), "approved").status_code == 404


def test_admins_list_vendors_by_state_page_by_page(vendor: Brought, apply: Apply, admin: Any) -> None:
    applied = [apply().json()["vendor_id"] for _ in range(5)]
    active, itself = vendor(VendorState.ACTIVE)
    assert [one["vendor_id"] for one in admin.get("/vendors", state="active").json()["vendors"]] == [active]
    first = admin.get("/vendors", state="applied", limit=3).json()
    rest = admin.get("/vendors", state="applied", limit=3, after=first["next"]).json()
    assert [one["vendor_id"] for one in first["vendors"] + rest["vendors"]] == applied
    assert rest["next"] is None
    assert itself.get("/vendors").status_code == 403


def test_the_journal_keeps_every_state(db: Database, vendor: Brought) -> None:
    vendor_id, _ = vendor(VendorState.SUSPENDED)
    with db.read() as session:
        entries = journal.history(session, "vendors", vendor_id)
    assert [one.data["state"] for one in entries] == ["applied", "approved", "active", "suspended"]


def test_vendors_of_a_source_are_on_board_once(db: Database, clock: Clock, client: TestClient, admin: Any) -> None:
    names = {new_id(): f"Manufacturer {number}" for number in range(3)}
    with db.write() as session:
        assert service.onboard_all(session, names, clock) == 3
        assert service.onboard_all(session, {**names, new_id(): "One more"}, clock) == 1
        assert service.onboard_all(session, names, clock) == 0
    found = admin.get("/vendors", state="active").json()["vendors"]
    assert {UUID(one["vendor_id"]): one["name"] for one in found}.items() >= names.items()
