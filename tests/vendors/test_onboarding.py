"""Tests of companies' applications, the automatic checks, and the vendor's states that follow."""

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
from tests.vendors.conftest import company

Apply = Callable[..., Response]
Brought = Callable[[VendorState], tuple[str, Any]]
ON_BOARD = {VendorState.APPROVED, VendorState.ACTIVE, VendorState.SUSPENDED}


def move(person: Any, vendor_id: str, to: str, *reasons: str) -> Response:
    answer: Response = person.post(f"/vendors/{vendor_id}/transitions", {"to": to, "reasons": list(reasons)})
    return answer


def test_a_good_application_passes_every_check_and_gets_credentials(apply: Apply) -> None:
    answer = apply()
    application = answer.json()
    assert (answer.status_code, application["state"], application["reasons"]) == (201, "applied", [])
    assert [check["name"] for check in application["checks"]] == ["country", "currency", "tax_id", "email", "website"]
    assert all(check["passed"] and check["says"] for check in application["checks"])
    assert application["client_id"] == application["vendor_id"]
    assert len(application["client_secret"]) == 43


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
    application = apply(**wrong).json()
    failed = [entry for entry in application["checks"] if not entry["passed"]]
    assert [entry["name"] for entry in failed] == [check]
    assert (application["state"], application["reasons"]) == ("rejected", [failed[0]["says"]])
    assert application["client_secret"] is None
    kept = admin.get(f"/vendors/{application['vendor_id']}").json()
    assert (kept["checks"][:-1], kept["reasons"]) == (application["checks"], application["reasons"])


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


def tax_id_of(vendor_id: str, admin: Any) -> str:
    tax_id: str = admin.get(f"/vendors/{vendor_id}").json()["tax_id"]
    return tax_id


def duplicate(vendor_id: str, person: Any) -> list[bool]:
    """Return whether the check for duplicates failed, as a list, which is empty if the person can't see the check."""
    vendor = person.get(f"/vendors/{vendor_id}").json()
    return [not check["passed"] for check in vendor["checks"] if check["name"] == "not_on_board"]


@pytest.mark.parametrize("state", VendorState)
def test_applying_with_a_known_tax_id_tells_nothing_of_who_has_it(
    vendor: Brought, apply: Apply, admin: Any, caller: Any, state: VendorState
) -> None:
    real, itself = vendor(state)
    same = {"name": "A", "legal_name": "A", "email": "a@a.example", "website": "https://a.example"}
    known, unknown = (apply(tax_id=tax_id, **same) for tax_id in (tax_id_of(real, admin), "31-41592"))
    assert known.status_code == unknown.status_code == 201
    alike = [
        {name: value for name, value in answer.json().items() if name in ("state", "reasons", "checks")}
        for answer in (known, unknown)
    ]
    assert alike[0] == alike[1] == {"state": "applied", "reasons": [], "checks": unknown.json()["checks"]}
    assert known.json()["client_secret"]
    impostor = known.json()["vendor_id"]
    assert [duplicate(impostor, admin), duplicate(real, admin)] == [[state in ON_BOARD], [False]]
    assert duplicate(impostor, caller(Role.VENDOR, UUID(impostor))) == duplicate(real, itself) == []


@pytest.mark.parametrize("state", VendorState)
def test_of_two_with_one_tax_id_one_is_approved(vendor: Brought, apply: Apply, admin: Any, state: VendorState) -> None:
    first, _ = vendor(state)
    tax_id = tax_id_of(first, admin)
    second = apply(tax_id=f"{tax_id[:2]} {tax_id[2:]}", country="us").json()["vendor_id"]
    elsewhere = apply(tax_id=tax_id, country="DE").json()["vendor_id"]
    assert move(admin, elsewhere, "approved").status_code == 201
    answer = move(admin, second, "approved")
    listed = {entry["vendor_id"]: entry for entry in admin.get("/vendors").json()["vendors"]}
    if state in ON_BOARD:
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:rewards:problem:conflict")
        assert "tax id" in answer.json()["detail"]
        assert (listed[second]["state"], listed[first]["state"]) == ("applied", state)
        assert move(admin, second, "rejected", "A duplicate").status_code == 201
        return
    assert answer.status_code == 201
    if state is VendorState.APPLIED:
        assert move(admin, first, "approved").status_code == 409
    assert [check["passed"] for check in listed[first]["checks"] if check["name"] == "not_on_board"] == [False]


def test_of_approvals_at_the_same_moment_one_counts(apply: Apply, admin: Any) -> None:
    applied = [apply(tax_id="99-99999").json()["vendor_id"] for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        statuses = list(threads.map(lambda vendor_id: move(admin, vendor_id, "approved").status_code, applied))
    assert sorted(statuses) == [201, 409, 409, 409]


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
    allowed = answer.json()["detail"].partition("it can become ")[2].partition(", not")[0]
    assert allowed == (" or ".join(MOVES[state]) or "nothing else")
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
    seen, own = (person.get(f"/vendors/{vendor_id}").json() for person in (admin, itself))
    assert own == {**seen, "checks": seen["checks"][:-1]}
    assert other.get(f"/vendors/{vendor_id}").status_code == 404
    assert move(other, vendor_id, "active").status_code == 404
    assert other.post(f"/vendors/{vendor_id}/credentials", {}).status_code == 404
    assert admin.get(f"/vendors/{new_id()}").status_code == 404
    assert move(admin, str(new_id()), "approved").status_code == 404


def test_admins_list_vendors_by_state_page_by_page(vendor: Brought, apply: Apply, admin: Any) -> None:
    applied = [apply().json()["vendor_id"] for _ in range(5)]
    active, itself = vendor(VendorState.ACTIVE)
    assert [entry["vendor_id"] for entry in admin.get("/vendors", state="active").json()["vendors"]] == [active]
    first = admin.get("/vendors", state="applied", limit=3).json()
    rest = admin.get("/vendors", state="applied", limit=3, cursor=first["next"]).json()
    assert [entry["vendor_id"] for entry in first["vendors"] + rest["vendors"]] == applied
    assert rest["next"] is None
    assert itself.get("/vendors").status_code == 403


def test_the_journal_keeps_every_state(db: Database, vendor: Brought) -> None:
    vendor_id, _ = vendor(VendorState.SUSPENDED)
    with db.read() as session:
        entries = journal.history(session, "vendors", vendor_id)
    assert [entry.data["state"] for entry in entries] == ["applied", "approved", "active", "suspended"]


def test_vendors_of_a_source_are_on_board_once(db: Database, clock: Clock, client: TestClient, admin: Any) -> None:
    names = {new_id(): f"Manufacturer {number}" for number in range(3)}
    with db.write() as session:
        assert service.onboard_all(session, names, clock) == 3
        assert service.onboard_all(session, {**names, new_id(): "One more"}, clock) == 1
        assert service.onboard_all(session, names, clock) == 0
    vendors = admin.get("/vendors", state="active").json()["vendors"]
    assert {UUID(vendor["vendor_id"]): vendor["name"] for vendor in vendors}.items() >= names.items()


# ── keys of nobody in particular ────────────────────────────────────────────────────────────────────────────────────


def test_an_anonymous_key_counts_for_its_address_and_body_only(client: TestClient) -> None:
    """Two anonymous callers with the same idempotency key neither block each other nor see each other's answer."""
    mine, other = company(), company()

    def applied(address: str, body: dict[str, Any]) -> tuple[int, str, bool]:
        here = TestClient(client.app, client=(address, 50_000))
        answer = here.post("/vendors", json=body, headers={"Idempotency-Key": "1"})
        return answer.status_code, answer.json()["vendor_id"], "Idempotent-Replayed" in answer.headers

    first, again = applied("203.0.113.7", mine), applied("203.0.113.7", mine)
    elsewhere, another = applied("203.0.113.8", mine), applied("203.0.113.7", other)
    assert (first[0], first[2], again) == (201, False, (201, first[1], True))
    assert {elsewhere[0], another[0]} == {201}
    assert not elsewhere[2]
    assert not another[2]
    assert len({first[1], elsewhere[1], another[1]}) == 3
