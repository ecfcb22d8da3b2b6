"""Tests that every error is application/problem+json, helps the client, and reveals no internals."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from app.db import Database
from app.ids import new_id
from app.local.keys import Keys
from app.main import create_app
from app.migrations import head
from app.settings import Settings
from app.signing import Role
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
ADDRESS = "postgresql://rewards:hunter2@db.internal/rewards"
DATES = {"starts_at": "2026-01-01T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z"}
OTHER_ERRORS = {("/oauth/token", "400"), ("/oauth/token", "401")}  # as RFC 6749 says them
FOREVER = "9999-12-31T23:59:59-05:00"
CHANGE_NOTHING = {"/oauth/token", "/orders/quote", "/rules/simulations", "/offers/simulations"}


def problem(answer: Response) -> tuple[int, str]:
    """Assert that a response is a problem (RFC 9457) as documented, and return its status and error code."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "errors"}
    assert body["status"] == answer.status_code
    assert body["title"]
    assert body["detail"]
    return answer.status_code, body["type"].removeprefix("urn:rewards:problem:")


@pytest.fixture(scope="module")
def broken(issuer_keys: Keys) -> TestClient:
    """A client of an application with a route that raises an unexpected error."""
    app = create_app(Settings(database_url="postgresql://nowhere.invalid/none"))
    app.state.db = None

    @app.get("/breaks")
    def breaks(password: str) -> None:
        raise RuntimeError(f"could not reach {ADDRESS} with {password}")

    return TestClient(app, raise_server_exceptions=False)


def test_what_is_not_json_is_refused(broken: TestClient) -> None:
    for body in ("{", "", "[1, 2", '{"name": }', b"\xff\xfe"):
        answer = broken.post(
            "/vendors", content=body, headers={"Idempotency-Key": "a", "Content-Type": "application/json"}
        )
        status, code = problem(answer)
        assert (status, code) in {(422, "bad-input"), (400, "bad-request")}, body
    for kind in ({"Content-Type": "text/plain"}, {}):
        wrong_kind = broken.post("/vendors", content="{}", headers=kind)
        assert problem(wrong_kind) == (415, "wrong-media-type")
        assert "application/json" in wrong_kind.json()["detail"]


def test_malformed_json_says_where_and_names_no_field(broken: TestClient) -> None:
    for body, message in {
        '{"name": }': "Expecting value at line 1, column 10",
        '{\n  "name": "Ada"\n  "age": 1}': "Expecting ',' delimiter at line 3, column 3",
        " ": "Expecting value at line 1, column 2",
    }.items():
        headers = {"Idempotency-Key": "a", "Content-Type": "application/json"}
        answer = broken.post("/vendors", content=body, headers=headers)
        assert problem(answer) == (422, "bad-input")
        expected = {"field": "body", "code": "json_invalid", "message": f"it is not JSON: {message}"}
        assert answer.json()["errors"] == [expected]


def test_each_wrong_field_is_named(broken: TestClient) -> None:
    answer = broken.get("/products", params={"limit": 0, "min_price": "cheap", "nonsense": 1})
    assert problem(answer) == (422, "bad-input")
    named = {error["field"]: error["code"] for error in answer.json()["errors"]}
    assert {"query.limit", "query.min_price", "query.nonsense"} == set(named)
    assert all(error["message"] for error in answer.json()["errors"])


def test_an_unknown_path_and_a_wrong_method_are_problems_too(broken: TestClient) -> None:
    assert problem(broken.get("/nowhere")) == (404, "not-found")
    wrong = broken.delete("/health/live")
    assert problem(wrong) == (405, "method-not-allowed")
    assert wrong.headers["Allow"] == "GET, HEAD"
    assert problem(broken.get("/products/not-an-id")) == (422, "bad-input")


@pytest.mark.usefixtures("no_logs")
def test_an_error_nobody_expected_tells_nothing_of_the_inside(broken: TestClient) -> None:
    answer = broken.get("/breaks", params={"password": "hunter2"})
    assert problem(answer) == (500, "internal")
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text


def test_the_log_of_an_error_holds_no_bearer_token(broken: TestClient, capfd: pytest.CaptureFixture[str]) -> None:
    headers = {"Authorization": "Bearer eyJ-a-members-own"}
    assert broken.get("/breaks", params={"password": "x"}, headers=headers).status_code == 500
    logged = "".join(capfd.readouterr())
    assert "unhandled error" in logged
    assert "eyJ-a-members-own" not in logged


def test_a_database_that_is_away_is_busy_not_broken(client: TestClient, settings: Settings) -> None:
    nobody_there = f"{settings.database_url}_dropped"
    away = Database.open(settings.model_copy(update={"database_url": nobody_there, "database_pool_timeout_s": 0.05}))
    state: Any = client.app.state  # type: ignore[attr-defined]
    here, state.db = state.db, away
    try:
        answers = [client.get("/rules"), client.get("/health/ready")]
    finally:
        state.db = here
        away.close()
    for answer in answers:
        assert problem(answer) == (503, "unavailable")
        assert answer.headers["Retry-After"] == "1"
        assert "dropped" not in answer.text


def test_a_connection_lost_under_way_is_busy_and_the_next_request_is_served(client: TestClient, shop: Shop) -> None:
    assert client.get("/rules").status_code == 200
    with shop.db.write() as session:
        session.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND application_name = 'rewards'"
        )
    answers = [client.get("/rules") for _ in range(10)]
    lost = [answer for answer in answers if answer.status_code != 200]
    assert len(lost) < 10
    assert {problem(answer) for answer in lost} <= {(503, "unavailable")}
    assert answers[-1].status_code == 200


def test_health_tells_life_and_readiness(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"status": "up", "schema_version": head()}
    assert client.get("/health/ready").json() == {"status": "ready", "schema_version": head()}


def test_every_route_is_documented_with_its_refusals_and_examples(broken: TestClient) -> None:
    described = broken.get("/openapi.json").json()
    assert described["paths"]
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            name = f"{method} {path}"
            assert operation["summary"], name
            if path in ("/breaks", "/health/live", "/health/ready"):
                continue
            assert operation["description"], name
            refusals = {status: refusal for status, refusal in operation["responses"].items() if status >= "400"}
            assert "422" in refusals, name
            if operation.get("security"):
                assert {"401", "403"} <= set(refusals), name
            if method == "post" and path not in CHANGE_NOTHING:
                assert "409" in refusals, name
                assert "Idempotency-Key" in [given["name"] for given in operation["parameters"]], name
            for status, refusal in refusals.items():
                if (path, status) in OTHER_ERRORS:
                    assert set(refusal["content"]) == {"application/json"}, name
                    continue
                examples = refusal["content"]["application/problem+json"]["examples"]
                assert all(example["value"]["type"].endswith(code) for code, example in examples.items()), name


def test_the_documentation_page_needs_no_other_site(broken: TestClient) -> None:
    page = broken.get("/docs")
    assert page.status_code == 200
    assert "https://" not in page.text


# ── input at the edges of what types can hold ───────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("no_logs")
def test_text_that_the_database_cannot_hold_is_bad_input(shop: Shop, caller: Calls) -> None:
    member, admin = caller(Role.MEMBER, shop.member()), caller(Role.ADMIN, new_id())
    lines = [{"product_id": str(shop.product()), "units": 1}]
    placed = member.post("/orders", {"lines": lines}).json()["order_id"]
    before = shop.counts()
    requests: list[tuple[Any, str, dict[str, Any]]] = [
        (caller(Role.MEMBER, new_id()), "/members", {"name": "A\0da"}),
        (member, "/orders", {"lines": lines, "area": "a\0b"}),
        (member, f"/orders/{placed}/returns", {"line": 1, "units": 1, "reason": "a\0b"}),
        (admin, "/rules", {"name": "a\0b", "scope": "everything", "method": "rate", "points": 1, **DATES}),
        (admin, "/offers", {"name": "a\0b", "terms": {"kind": "promotion"}, **DATES}),
    ]
    for person, path, body in requests:
        assert problem(person.post(path, body)) == (422, "bad-input"), path
    assert shop.counts() == before


@pytest.mark.usefixtures("no_logs")
def test_a_number_that_the_database_cannot_hold_is_bad_input(caller: Calls) -> None:
    offer = {"name": "Mug", "terms": {"kind": "item", "points": 1}, "on_hand": 2**63, **DATES}
    assert problem(caller(Role.ADMIN, new_id()).post("/offers", offer)) == (422, "bad-input")


@pytest.mark.usefixtures("no_logs")
def test_an_offer_for_ever_does_not_stop_the_shop(shop: Shop, caller: Calls) -> None:
    admin = caller(Role.ADMIN, new_id())
    offer = {"name": "Always", "terms": {"kind": "promotion"}, **DATES, "ends_at": FOREVER}
    assert admin.post("/offers", offer).status_code in {201, 422}
    assert admin.get("/offers").status_code == 200
    shop.order(shop.member(), (shop.product(), 1))


@pytest.mark.usefixtures("no_logs")
def test_a_span_before_the_calendar_is_bad_input(caller: Calls) -> None:
    answer = caller(Role.ANALYST, new_id()).get("/insights/top-sellers", until="0001-01-01T00:00:00Z")
    assert problem(answer) == (422, "bad-input")


@pytest.mark.usefixtures("no_logs")
def test_a_field_that_may_be_one_of_two_things_has_its_own_name(caller: Calls) -> None:
    answer = caller(Role.ANALYST, new_id()).get("/insights/top-sellers", since="tomorrow")
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"query.since"}
    assert "function-" not in answer.text


def test_text_that_is_not_unicode_is_bad_input(client: TestClient, token: Any) -> None:
    headers = {**token(Role.MEMBER, new_id()), "Idempotency-Key": "a", "Content-Type": "application/json"}
    for body in (b'{"name": "\\ud800"}', b'{"name": "Ada", "\\ud800": 1}'):
        assert problem(client.post("/members", content=body, headers=headers)) == (422, "bad-input"), body
