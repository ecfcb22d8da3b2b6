"""Tests of extreme values on every route: they are refused with an error that names the field."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from psycopg.errors import ForeignKeyViolation, UniqueViolation
from pydantic import TypeAdapter, ValidationError

from app.constraints import declared
from app.db import Database
from app.ids import new_id
from app.routing import guards
from app.settings import SERVICES
from app.signing import Role
from app.text import Line, Name, Prose
from app.times import Day, Instant
from tests.conftest import Run, Token, refused
from tests.shop import Shop
from tests.test_auth import routes

Calls = Callable[[Role, UUID], Any]
TORN = ["a%00b", "%ed%a0%80", "%ff"]
"""NUL, half of a surrogate pair, and what is no UTF-8."""


def fields(answer: Any) -> set[str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert answer.status_code == 422, answer.text
    assert answer.json()["type"] == "urn:rewards:problem:bad-input"
    return {error["field"] for error in answer.json()["errors"]}


@pytest.fixture
def operations(client: TestClient, token: Token) -> list[tuple[str, str, dict[str, Any], dict[str, str]]]:
    """Return each documented operation: method, path, OpenAPI description, and the headers of a permitted caller."""
    app: Any = client.app
    roles = {
        (method, route.path): next((min(guard.roles) for guard in guards(route)), None)
        for route in routes(app)
        for method in route.methods or ()
    }
    assert len(SERVICES) < len(roles)
    key = {"Idempotency-Key": "a key"}

    def each() -> Iterator[tuple[str, str, dict[str, Any], dict[str, str]]]:
        for path, methods in app.openapi()["paths"].items():
            for method, described in methods.items():
                role = roles[method.upper(), path]
                yield method, path, described, {**key, **(token(role, new_id()) if role else {})}

    return list(each())


def parameters(described: dict[str, Any], place: str) -> list[str]:
    return [parameter["name"] for parameter in described.get("parameters", ()) if parameter["in"] == place]


def filled(path: str, **known: str) -> str:
    parts = [known.get(part[1:-1], str(new_id())) if part[:1] == "{" else part for part in path.split("/")]
    return "/".join(parts)


def test_no_path_holds_what_is_no_text(client: TestClient, operations: Any) -> None:
    tried = 0
    for method, path, described, headers in operations:
        for name in parameters(described, "path"):
            for torn in TORN:
                answer = client.request(method, filled(path, **{name: torn}), headers=headers)
                assert fields(answer) == {f"path.{name}"}, f"{method} {path}"
                tried += 1
    assert tried > 60


def test_no_query_holds_what_is_no_text(client: TestClient, operations: Any) -> None:
    tried = 0
    for method, path, described, headers in operations:
        for name in parameters(described, "query"):
            for torn in TORN:
                answer = client.request(method, f"{filled(path)}?{name}={torn}", headers=headers)
                assert f"query.{name}" in fields(answer), f"{method} {path}"
                tried += 1
    assert tried > 100


def test_no_body_holds_what_is_no_text(client: TestClient, operations: Any) -> None:
    bodies = [rb'{"name": "a\u0000b"}', rb'{"name": "\ud800"}', b'{"name": "\xed\xa0\x80"}', b'{"name": "\0"}']
    tried = 0
    for method, path, described, headers in operations:
        if "application/json" not in described.get("requestBody", {}).get("content", ()):
            continue
        headers |= {"Content-Type": "application/json"}
        for body in bodies[:3]:
            assert fields(client.request(method, filled(path), headers=headers, content=body)) == {"body.name"}, path
        assert fields(client.request(method, filled(path), headers=headers, content=bodies[3])) == {"body"}
        deep = rb'{"a": [{}, {"b": "\uDFFF", "\u0000": 1}]}'
        faulty = fields(client.request(method, filled(path), headers=headers, content=deep))
        assert faulty == {"body.a.1.b", "body.a.1.\0"}
        tried += 1
    assert tried > 15


def test_no_header_holds_what_is_no_text(client: TestClient, operations: Any) -> None:
    assert operations
    for method, path, _, headers in operations:
        answer = client.request(method, filled(path), headers=headers | {"Idempotency-Key": b"a\0b"})
        assert fields(answer) == {"header.idempotency-key"}, f"{method} {path}"


def test_parameters_that_nobody_knows_are_refused_everywhere(client: TestClient, operations: Any) -> None:
    assert operations
    for method, path, _, headers in operations:
        answer = client.request(method, filled(path), params={"limitt": 1, "sku": ""}, headers=headers)
        assert {"query.limitt", "query.sku"} <= fields(answer), f"{method} {path}"


def test_who_may_not_come_in_is_not_told_what_is_wrong(client: TestClient) -> None:
    for path in ("/orders?nonsense=1", "/ledger/history/orders/a%00b", "/wallet/lots?after=%00"):
        assert client.get(path).status_code == 401
    wrong = client.post("/orders", content=rb'{"a": "\u0000"}', headers={"Content-Type": "application/json"})
    assert wrong.status_code == 401


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"lines": [1,', "line 1, column 14"),
        (b"", "required"),
        (b"\xff\xfe{", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"1" * 10_000, "JSON"),
    ],
    ids=["cut off", "empty", "no text", "nested", "many digits"],
)
def test_what_is_no_json_is_a_fault_of_the_body(client: TestClient, token: Token, body: bytes, says: str) -> None:
    headers = {**token(Role.MEMBER, new_id()), "Idempotency-Key": "a", "Content-Type": "application/json"}
    answer = client.post("/orders", content=body, headers=headers)
    assert fields(answer) == {"body"}
    assert says in answer.json()["detail"]


def test_a_time_zone_of_half_a_pair(caller: Calls, client: TestClient, token: Token) -> None:
    headers = {**token(Role.ADMIN, new_id()), "Content-Type": "application/json"}
    answer = client.patch("/program", content=rb'{"time_zone": "\ud800\udc00\ud800"}', headers=headers)
    assert fields(answer) == {"body.time_zone"}
    assert caller(Role.ADMIN, new_id()).patch("/program", {"time_zone": "Mars/\U0001d11e"}).status_code == 422


# ── text ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name", ["", " ", "\t", "a\tb", "a\nb", "\x00", "\x1b[1m", "\x85", "a\u202eb", "\u200b", "\ufeff"]
)
def test_a_name_is_one_line_that_can_be_seen(name: str) -> None:
    for text in (Name, Line):
        with pytest.raises(ValidationError):
            TypeAdapter(text).validate_python(name)
    assert TypeAdapter(Name).validate_python(" Ünïted  Tëa ") == "Ünïted Tëa"
    assert TypeAdapter(Prose).validate_python("two\r\n\tlines\n") == "two\r\n\tlines"


@pytest.mark.parametrize("name", ["=1+1", "＝cmd()", "+1", "－1", "@x", "﹦1", " =1"])
def test_what_tables_hold_is_no_formula(shop: Shop, caller: Calls, name: str) -> None:
    vendor = shop.vendor()
    seller, product = caller(Role.VENDOR, vendor), shop.product(vendor)
    for field in ("name", "brand", "category", "description"):
        assert fields(seller.patch(f"/products/{product}", {field: name})) == {f"body.{field}"}
    assert fields(caller(Role.MEMBER, new_id()).post("/members", {"name": name})) == {"body.name"}


# ── times ───────────────────────────────────────────────────────────────────────────────────────────────────────────

NO_INSTANTS = [
    *("2026", "1767225600", "20260301T000000Z", "2026-03-01", "2026-03-01T00:00:00", "2026-03-01 00:00:00Z", "now", ""),
    *("2026-03-01T00:00:00Z ", "٢٠٢٦-03-01T00:00:00Z", "1969-12-31T23:59:59Z", "9000-01-01T00:00:01Z", "-1", "1e9"),
]


def test_an_instant_is_written_with_its_zone() -> None:
    instant: TypeAdapter[datetime] = TypeAdapter(Instant)
    for text in ("2026-03-01T00:00:00Z", "2026-03-01T05:45:00.000+05:45", "2026-02-28t19:00-0500"):
        assert instant.validate_python(text) == datetime(2026, 3, 1, tzinfo=UTC)
    for wrong in (*NO_INSTANTS, 1767225600, 1767225600.5, True, None, b"2026-03-01T00:00:00Z"):
        with pytest.raises(ValidationError):
            instant.validate_python(wrong)
        with pytest.raises(ValidationError):
            instant.validate_json(json.dumps(str(wrong) if isinstance(wrong, bytes) else wrong))


def test_a_day_is_written_as_a_day() -> None:
    day: TypeAdapter[Any] = TypeAdapter(Day)
    assert day.validate_python("1970-01-01")
    for wrong in ("2026080000", "20260301", "2026-W09-7", "2026-3-1", "2026-02-30", "1969-12-31", 20513, "9000-01-01"):
        with pytest.raises(ValidationError):
            day.validate_python(wrong)


@pytest.mark.parametrize("wrong", [text for text in NO_INSTANTS if text != "2026-03-01"])
def test_digits_are_no_time_wherever_one_is_asked_for(caller: Calls, run: Run, wrong: str) -> None:
    analyst, admin = caller(Role.ANALYST, new_id()), caller(Role.ADMIN, new_id())
    for path, names in {
        "/insights/top-sellers": ("since", "until"),
        "/insights/busy-hours": ("since", "until"),
        "/insights/capacity": ("until",),
        "/ledger/history/orders/x": ("from", "to"),
    }.items():
        for name in names:
            assert fields(analyst.get(path, **{name: wrong})) == {f"query.{name}"}, path
    offer = {"name": "Mug", "terms": {"kind": "promotion"}, "ends_at": "2026-04-01T00:00:00Z"}
    rule = {"name": "A rule", "scope": "everything", "method": "rate", "amount": 1}
    assert fields(admin.post("/offers", {**offer, "starts_at": wrong})) == {"body.starts_at"}
    assert fields(admin.post("/rules", {**rule, "starts_at": wrong})) == {"body.starts_at"}
    if wrong and not wrong.startswith("-"):
        assert wrong.strip() in refused(run("insights", "top-sellers", "--since", wrong))
        assert wrong.strip() in refused(run("nightly", "--date", wrong))


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "Pacific/Kiritimati"])
@pytest.mark.parametrize("until", ["1970-01-01", "1970-01-01T00:00:00Z", "1970-01-01T00:30:00Z", "1970-01-05"])
def test_a_span_at_the_beginning_of_time(shop: Shop, caller: Calls, until: str, zone: str) -> None:
    shop.program(time_zone=zone)
    analyst = caller(Role.ANALYST, new_id())
    for path in ("/insights/top-sellers", "/insights/busy-hours"):
        answer = analyst.get(path, until=until)
        assert answer.status_code in {200, 422}, answer.text
        assert answer.status_code == 200 or fields(answer) == {"until"}
        assert analyst.get(path, since=until).status_code == 200
    assert fields(analyst.get("/insights/top-sellers", until="1970-01-01T00:00:00Z")) == {"until"}
    assert analyst.get("/insights/capacity", until="1970-01-01T00:00:00Z").status_code == 422


# ── what the database's constraints refuse ──────────────────────────────────────────────────────────────────────────


def test_terms_of_an_unknown_vendor(shop: Shop, caller: Calls) -> None:
    terms = {"mode": "ask", "percent": 15, "most_products": 5, "budget_minor": 10_000, "floors": []}
    before = shop.counts()
    answer = caller(Role.VENDOR, new_id()).put("/insights/discounts/terms", terms)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:rewards:problem:not-found")
    assert shop.counts() == before


def test_every_reference_and_everything_unique_is_refused_in_words(db: Database) -> None:
    """Foreign keys and unique indexes must have an API error; a violated CHECK is a bug, and so has none."""
    with db.read() as session:
        references = session.rows("SELECT conname FROM pg_constraint WHERE contype = 'f'")
        unique = session.rows(
            "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indisunique "
            "AND relnamespace = 'public'::regnamespace"
        )
    assert len(references) > 20
    for names, violation in ((references, ForeignKeyViolation), (unique, UniqueViolation)):
        for (name,) in names:
            error = declared(name, violation.sqlstate)
            assert error is not None, name
            assert error.status in {404, 409}, name
            assert error.detail
    assert declared("wallets_owed_check", "23514") is None
