"""Tests of admission control: requests refused before a route sees them, for size, type, JSON, token, rate or load."""

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import nullcontext
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from app.admission.bodies import DEEPEST, MOST_VALUES, SMALL_BYTES, Bodies, check_json
from app.admission.rate_limits import LOGINS_AN_ADDRESS, MOST_COUNTERS, Counters, address_of, client_id
from app.admission.rules import FORM, JSON, Rules
from app.admission.waiting import Places
from app.errors import BadInput, Busy, ClientLeft
from app.ids import new_id
from app.local.keys import Keys
from app.main import create_app
from app.problems import MOST_ERRORS
from app.settings import Settings
from app.signing import Role
from tests.conftest import Token, Until
from tests.test_problems import problem
from tests.vendors.conftest import company

MiB = 2**20
ORDER = {"lines": [{"product_id": str(new_id()), "units": 1}]}


@pytest.fixture
def strict(issuer_keys: Keys) -> Settings:
    """Settings for an application without a database, with low rate limits."""
    return Settings(
        database_url="postgresql://nowhere.invalid/none",
        issuers=issuer_keys.issuers(),
        signing_key=issuer_keys.private,
        anonymous_writes_a_minute=5,
        failed_logins_a_minute=3,
        caller_requests_in_10_s=20,
        trusted_proxies=1,
    )


@pytest.fixture
def application(strict: Settings) -> FastAPI:
    app = create_app(strict)
    app.state.db = None
    return app


@pytest.fixture
def outside(application: FastAPI) -> TestClient:
    return TestClient(application, raise_server_exceptions=False)


class Unread:
    """A request body that fails the test if it is read."""

    def __iter__(self) -> Iterator[bytes]:
        raise AssertionError("it was read")


# ── before a body is read ───────────────────────────────────────────────────────────────────────────────────────────


async def _call(app: FastAPI, method: str, path: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Send a request without a body to the ASGI application, which may not read it; return status and JSON."""
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("its body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode()}
    await app({**scope, "query_string": b"", "root_path": "", "headers": raw, "client": ("10.0.0.1", 1)}, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


def _guarded(app: FastAPI, settings: Settings) -> list[tuple[str, str]]:
    """Return (method, path) of every documented operation that needs a token."""
    return [
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if operation.get("security")
    ]


def test_no_route_that_needs_a_token_reads_the_body_of_who_has_none(application: FastAPI, strict: Settings) -> None:
    guarded = _guarded(application, strict)
    assert len(guarded) > 30
    for method, path in guarded:
        filled = path.replace("{", "").replace("}", "")
        headers = {"Content-Type": "application/json", "Content-Length": "900"}
        status, _ = asyncio.run(_call(application, method, filled, headers))
        assert status == 401, (method, path)
        status, _ = asyncio.run(_call(application, method, filled, {**headers, "Authorization": "Bearer nonsense"}))
        assert status == 401, (method, path)


def test_every_route_has_a_rule_with_the_kind_of_body_that_its_documentation_names(
    application: FastAPI, strict: Settings
) -> None:
    rules = Rules(application.routes, strict)
    for path, operations in application.openapi()["paths"].items():
        for method, operation in operations.items():
            rule = rules.of(method.upper(), path.replace("{", "").replace("}", ""))
            assert rule is not None, (method, path)
            assert set(rule.media_types) == set(operation.get("requestBody", {}).get("content", {})), (method, path)
            assert bool(rule.guards) == bool(operation.get("security")), (method, path)
    assert rules.of("GET", "/nowhere") is None


def test_a_body_that_is_announced_too_large_is_not_read(application: FastAPI, token: Token) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": str(MiB + 1)}
    member, vendor = token(Role.MEMBER, new_id()), token(Role.VENDOR, new_id())
    for path, more in {"/vendors": {}, "/orders": member}.items():
        status, body = asyncio.run(_call(application, "POST", path, {**headers, **more}))
        assert (status, body["detail"]) == (413, f"send at most {MiB} bytes")
    feed = {**vendor, "Content-Type": "text/csv", "Content-Length": str(32 * MiB + 1)}
    assert asyncio.run(_call(application, "POST", f"/vendors/{new_id()}/feeds", feed))[0] == 413


@pytest.mark.parametrize("kind", [None, "text/plain", "application/xml", "multipart/form-data", "application/jsonx"])
def test_another_kind_of_body_is_refused_with_the_kind_that_is_taken(
    outside: TestClient, token: Token, kind: str | None
) -> None:
    headers = {**token(Role.MEMBER, new_id()), "Idempotency-Key": "a"} | ({"Content-Type": kind} if kind else {})
    answer = outside.post("/orders", content=json.dumps(ORDER), headers=headers)
    assert problem(answer) == (415, "wrong-media-type")
    assert "application/json" in answer.json()["detail"]
    assert answer.headers["Accept"] == "application/json"
    vendor = token(Role.VENDOR, new_id()) | ({"Content-Type": kind} if kind else {})
    assert outside.post(f"/vendors/{new_id()}/feeds", content="sku", headers=vendor).headers["Accept"] == "text/csv"
    login = outside.post("/oauth/token", content="{}", headers={"Content-Type": kind} if kind else {})
    assert (login.status_code, login.headers["Accept"]) == (415, FORM)


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/ld+json"])
def test_json_by_any_of_its_names_is_taken(outside: TestClient, token: Token, kind: str) -> None:
    headers = {**token(Role.MEMBER, new_id()), "Idempotency-Key": "a", "Content-Type": kind}
    assert problem(outside.post("/orders", content="{}", headers=headers)) == (422, "bad-input")


# ── bodies ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def pieces(*sent: bytes, left: bool = False) -> Any:
    """Return an ASGI `receive` that gives a body in pieces, then a disconnect."""
    messages: list[Any] = [
        {"type": "http.request", "body": body, "more_body": left or number < len(sent) - 1}
        for number, body in enumerate(sent)
    ]
    queue = iter([*messages, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(queue)

    return receive


def test_bodies_share_a_bounded_room_and_give_it_back() -> None:
    bodies, large = Bodies(MiB), b"x" * (400 * 1024)

    async def scenario() -> None:
        first = await bodies.read(pieces(large[:1000], large[1000:]), MiB)
        second = await bodies.read(pieces(large), MiB)
        assert first == second == large
        for sent in ((large,), (large[:300_000], large[300_000:])):
            with pytest.raises(Busy):
                await bodies.read(pieces(*sent), MiB)
        small = b"x" * SMALL_BYTES
        assert await bodies.read(pieces(small), MiB) == small  # small ones are always taken
        with pytest.raises(ClientLeft):
            await bodies.read(pieces(b"x" * 100_000, left=True), MiB)
        bodies.release(first)
        assert await bodies.read(pieces(large), MiB) == large

    asyncio.run(scenario())


ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("text", ["1", "[]", '{"lines": []}', '"\U0001d11e"', '["\\"",' + "[" * 900])
def test_json_is_utf_8(outside: TestClient, token: Token, encoding: str, text: str) -> None:
    """Admission control counts brackets and quotes as bytes, so JSON in other encodings is refused."""
    with pytest.raises(BadInput) as refused:
        check_json(text.encode(encoding))
    assert refused.value.errors[0].code == "not-utf-8"
    headers = {**token(Role.MEMBER, new_id()), "Idempotency-Key": "a", "Content-Type": "application/json"}
    answer = outside.post("/orders", content=json.dumps(ORDER).encode(encoding), headers=headers)
    assert problem(answer) == (422, "bad-input")
    assert "UTF-8" in answer.json()["detail"]


@pytest.mark.parametrize("key", ["a", "k" * 500_000], ids=["short", "long"])
@pytest.mark.parametrize("text", ["\ud800", "\0", "good"])
def test_an_answer_lists_a_bounded_number_of_errors_in_bounded_words(
    outside: TestClient, token: Token, text: str, key: str
) -> None:
    headers = {**token(Role.MEMBER, new_id()), "Idempotency-Key": "a", "Content-Type": "application/json"}
    for body in ({key: [text] * 4_000}, {"lines": [{key: text}] * 2_000}, {f"{key}{n}": text for n in range(2_000)}):
        content = json.dumps(body)[:MiB] if len(json.dumps(body)) < MiB else json.dumps({key: [text] * 4_000})
        answer = outside.post("/orders", content=content, headers=headers)
        assert problem(answer) == (422, "bad-input")
        assert len(answer.json()["errors"]) <= MOST_ERRORS
        assert len(answer.content) < 200_000


def _nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_deep_json_is_refused_before_it_is_parsed(outside: TestClient, token: Token) -> None:
    headers = {**token(Role.MEMBER, new_id()), "Idempotency-Key": "a", "Content-Type": "application/json"}
    for body in (_nested(DEEPEST + 1), _nested(100_000), b"[" * 1_000_000, b'{"a":' * 100_000):
        begun = time.process_time()
        answer = outside.post("/orders", content=body, headers=headers)
        assert problem(answer) == (422, "bad-input")
        assert "body" in answer.json()["detail"]
        assert time.process_time() - begun < 2
    values = json.dumps(dict.fromkeys(map(str, range(50_000)), 1))
    assert f"{MOST_VALUES} values" in outside.post("/orders", content=values, headers=headers).json()["detail"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('[]{}",\\a'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('[]{}",\\a'), inner, max_size=4),
    max_leaves=60,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(json_values, st.integers(0, 2 * DEEPEST))
def test_json_is_refused_exactly_when_it_is_too_deep(value: Any, wraps: int) -> None:
    for number in range(wraps):
        value = [value] if number % 2 else {'"]}[{\\': value}
    body = json.dumps(value, ensure_ascii=False).encode()
    with pytest.raises(BadInput) if depth(value) > DEEPEST else nullcontext():
        check_json(body)


@pytest.mark.parametrize("unit", [b"[],", b'"a",', b'"\\"', b'\\"', b"{", b'""', b","])
def test_looking_at_a_body_takes_linear_time(unit: bytes) -> None:
    def seconds(size: int) -> float:
        body = (unit * size)[:size]
        begun = time.process_time()
        for _ in range(20):
            try:
                check_json(body)
            except BadInput:
                continue
        return time.process_time() - begun

    assert seconds(MiB) < 64 * max(seconds(MiB // 16), 0.002)


# ── places ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _never() -> Any:
    await asyncio.Event().wait()


def test_places_are_given_in_order_and_the_line_is_bounded() -> None:
    async def scenario() -> None:
        places, order = Places(2, 3, 10), []

        async def work(number: int) -> None:
            await places.take(_never)
            order.append(number)

        await asyncio.gather(work(0), work(1))
        line = [asyncio.create_task(work(number)) for number in (2, 3, 4)]
        await asyncio.sleep(0)
        with pytest.raises(Busy) as refused:
            await places.take(_never)
        assert 1 <= int(refused.value.headers["Retry-After"]) <= 4
        for expected in (2, 3, 4):
            places.give()
            await line[expected - 2]
            assert order[-1] == expected
        for _ in range(5 - 3):
            places.give()
        await asyncio.gather(work(5), work(6))

    asyncio.run(scenario())


def test_who_waits_too_long_leaves_or_is_cancelled_gives_its_turn_to_the_next() -> None:
    async def scenario() -> None:
        places = Places(1, 10, 0.05)
        await places.take(_never)
        with pytest.raises(Busy):
            await places.take(_never)
        with pytest.raises(ClientLeft):
            await places.take(pieces())
        cancelled = asyncio.create_task(places.take(_never))
        last = asyncio.create_task(places.take(_never))
        await asyncio.sleep(0)
        places.give()
        cancelled.cancel()
        await last
        assert cancelled.cancelled()
        places.give()
        await places.take(_never)

    asyncio.run(scenario())


def test_retry_after_differs_from_one_to_the_next() -> None:
    async def refusals() -> set[str]:
        places, waits = Places(1, 0, 0), set()
        await places.take(_never)
        for _ in range(200):
            with pytest.raises(Busy) as refused:
                await places.take(_never)
            waits.add(refused.value.headers["Retry-After"])
        return waits

    assert len(asyncio.run(refusals())) > 1


class Gate:
    """A route that blocks until the test opens it, and counts the requests that reach it."""

    def __init__(self, app: FastAPI) -> None:
        self.open, self.entered, self.waits = Event(), 0, False
        app.add_api_route("/gate", self._pass, methods=["POST"])

    def _pass(self) -> None:
        self.entered += 1
        self.waits = True
        self.open.wait(20)
        self.waits = False


@pytest.fixture
def full(settings: Settings, until: Until) -> Iterator[tuple[TestClient, Gate]]:
    """An application whose only place for concurrent requests, and only thread, are occupied."""
    app = create_app(settings.model_copy(update={"pool_size": 1, "requests_in_work": 1, "longest_wait_ms": 100}))
    gate = Gate(app)
    with TestClient(app, raise_server_exceptions=False) as client:
        holder = Thread(target=client.post, args=("/gate",))
        holder.start()
        until(lambda: gate.entered == 1)
        try:
            yield client, gate
        finally:
            gate.open.set()
            holder.join()


def test_past_its_places_the_api_is_busy_and_says_when_to_come_again(full: tuple[TestClient, Gate]) -> None:
    client, gate = full
    answer = client.post("/gate")
    assert problem(answer) == (503, "busy")
    assert int(answer.headers["Retry-After"]) >= 1
    assert gate.entered == 1
    gate.open.set()
    assert client.get("/rules").status_code == 200


def test_health_never_waits_behind_requests(full: tuple[TestClient, Gate]) -> None:
    client, gate = full
    assert client.get("/health/live").status_code == 200
    assert client.get("/health/ready").status_code == 200
    assert gate.waits, "it waited until the place was given up"


def test_a_request_whose_client_leaves_the_line_is_never_begun(strict: Settings) -> None:
    app = create_app(strict.model_copy(update={"requests_in_work": 1, "longest_wait_ms": 10_000}))
    begun: list[str] = []
    hold = asyncio.Event()

    async def slow() -> None:
        begun.append("one")
        await hold.wait()

    app.add_api_route("/slow", slow, methods=["GET"])

    async def ask(receive: Any) -> None:
        scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": "/slow", "raw_path": b"/slow"}
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await app({**scope, "query_string": b"", "root_path": "", "headers": [], "client": None}, receive, send)

    async def scenario() -> None:
        stays = asyncio.create_task(ask(_after(pieces(b""))))
        while not begun:
            await asyncio.sleep(0)
        await asyncio.wait_for(ask(pieces(b"")), 5)
        hold.set()
        await stays
        assert begun == ["one"]

    asyncio.run(scenario())


def _after(receive: Any) -> Any:
    """Return an ASGI `receive` of a client that sends its body and then stays connected."""
    given = False

    async def stays() -> Any:
        nonlocal given
        if given:
            await _never()
        given = True
        return await receive()

    return stays


# ── shares ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_token_past_its_share_is_told_when_to_come_again_and_others_are_served(
    outside: TestClient, token: Token
) -> None:
    greedy, modest = token(Role.MEMBER, new_id()), token(Role.MEMBER, new_id())
    statuses = [outside.post("/orders", headers=greedy).status_code for _ in range(25)]
    assert statuses == [422] * 20 + [429] * 5
    answer = outside.post("/orders", headers=greedy)
    assert problem(answer) == (429, "too-many-requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 10
    assert outside.post("/orders", headers=modest).status_code == 422


def _apply(client: TestClient, forwarded: str) -> int:
    answer = client.post("/vendors", json={}, headers={"X-Forwarded-For": forwarded, "Idempotency-Key": "a"})
    return answer.status_code


def test_anonymous_writes_are_counted_by_the_address_that_our_proxy_saw(outside: TestClient) -> None:
    statuses = [_apply(outside, f"10.9.{number}.1, 198.51.100.7") for number in range(8)]
    assert statuses == [422] * 5 + [429] * 3
    assert _apply(outside, "198.51.100.8") == 422


def test_failed_logins_are_counted_by_client_and_address(client: TestClient, settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"failed_logins_a_minute": 3, "trusted_proxies": 1}))

    def login(claimed_id: str, place: str, *, basic: bool = False) -> int:
        form = {"grant_type": "client_credentials"}
        headers = {"X-Forwarded-For": place}
        if basic:
            headers["Authorization"] = "Basic " + b64encode(f"{claimed_id}:wrong".encode()).decode()
        else:
            form |= {"client_id": claimed_id, "client_secret": "wrong"}
        return here.post("/oauth/token", data=form, headers=headers).status_code

    victim = str(new_id())
    with TestClient(app) as here:
        assert [login(victim, "198.51.100.7") for _ in range(5)] == [401] * 3 + [429] * 2
        assert login(victim, "198.51.100.8") == 401  # who guesses elsewhere locks nobody out
        statuses = [login(str(new_id()), "198.51.100.9") for _ in range(20)]
        assert statuses == [401] * 15 + [429] * 5  # many clients from one address


def test_good_logins_are_no_writes_and_failed_ones_reach_the_share_of_an_address(settings: Settings) -> None:
    names = ("anonymous_writes_a_minute", "failed_logins_a_minute")
    defaults = {name: Settings.model_fields[name].default for name in names}
    with TestClient(create_app(settings.model_copy(update=defaults))) as here:
        vendor = here.post("/vendors", json=company(), headers={"Idempotency-Key": "a"}).json()

        def login(claimed_id: str) -> int:
            form = {
                "grant_type": "client_credentials",
                "client_id": claimed_id,
                "client_secret": vendor["client_secret"],
            }
            return here.post("/oauth/token", data=form).status_code

        writes, failures = defaults.values()
        assert {login(vendor["vendor_id"]) for _ in range(writes + 5)} == {200}
        most = failures * LOGINS_AN_ADDRESS
        assert [login(str(new_id())) for _ in range(most + 5)] == [401] * most + [429] * 5


def spellings(client: UUID) -> list[str]:
    """Return all spellings of one client id that the login accepts."""
    name = str(client)
    written = [name, name.upper(), client.hex, f"{{{name}}}", f"urn:uuid:{name}", f"-{name}-", "-" * 99 + client.hex]
    return [*written, client.hex.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})]


@pytest.mark.parametrize("by", ["form", "basic", "encoded basic"])
def test_however_a_client_id_is_spelled_it_is_one_client(client: TestClient, settings: Settings, by: str) -> None:
    app = create_app(settings.model_copy(update={"failed_logins_a_minute": 3}))

    def login(claimed_id: str) -> int:
        form = {"grant_type": "client_credentials"}
        if by == "form":
            return here.post(
                "/oauth/token", data={**form, "client_id": claimed_id, "client_secret": "wrong"}
            ).status_code
        name = "".join(f"%{byte:02x}" for byte in claimed_id.encode()) if by == "encoded basic" else claimed_id
        basic = {"Authorization": "Basic " + b64encode(f"{name}:wrong".encode()).decode()}
        return here.post("/oauth/token", data=form, headers=basic).status_code

    with TestClient(app) as here:
        # HTTP Basic ends an id at its first colon.
        ways = [claimed_id for claimed_id in spellings(new_id()) if by != "basic" or ":" not in claimed_id]
        assert [login(claimed_id) for claimed_id in ways] == [401] * 3 + [429] * (len(ways) - 3)


def test_all_that_counts_addresses_counts_the_same_one(settings: Settings) -> None:
    """Requests without a token are identified by the proxy's entry in X-Forwarded-For, not by the client's entries."""
    strict = {"trusted_proxies": 1, "anonymous_writes_a_minute": 5}
    with TestClient(create_app(settings.model_copy(update=strict))) as here:
        body, answers = company(), []
        for number in range(6):
            forwarded = [("X-Forwarded-For", f"6.6.6.{number}"), ("X-Forwarded-For", f"198.51.100.7:{number + 1000}")]
            answers.append(here.post("/vendors", json=body, headers=[("Idempotency-Key", "a"), *forwarded]))
        assert [answer.status_code for answer in answers] == [201] * 5 + [429]
        assert [answer.headers.get("Idempotent-Replayed") for answer in answers[:5]] == [None] + ["true"] * 4


@pytest.mark.parametrize(
    ("forwarded", "hops", "expected"),
    [
        ("", 0, "192.0.2.1"),
        ("203.0.113.9", 0, "192.0.2.1"),  # nobody of ours wrote it
        ("203.0.113.9", 1, "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9", 1, "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 10.0.0.2", 2, "203.0.113.9"),
        ("10.0.0.2", 2, "192.0.2.1"),  # it came past fewer proxies than there are
        ("2001:db8:1:2:3:4:5:6", 1, "2001:0db8:0001:0002"),
        ("2001:db8:1:2::9", 1, "2001:0db8:0001:0002"),
        ("::ffff:203.0.113.9", 1, "203.0.113.9"),
        ("nonsense", 1, "nonsense"),
        ("203.0.113.9:567", 1, "203.0.113.9"),
        ("[2001:db8:1:2:3:4:5:6]:567", 1, "2001:0db8:0001:0002"),
        ("[2001:db8:1:2:3:4:5:6]", 1, "2001:0db8:0001:0002"),
        ("6.6.6.6\n203.0.113.9", 1, "203.0.113.9"),
        ("203.0.113.9\n10.0.0.2", 2, "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9\n\n10.0.0.2 , ", 2, "203.0.113.9"),
    ],
)
def test_the_address_of_a_caller(forwarded: str, hops: int, expected: str) -> None:
    lines = [(b"x-forwarded-for", line.encode()) for line in forwarded.split("\n")]
    headers = [(b"host", b"api.example"), *lines, (b"x-forwarded-host", b"6.6.6.6")]
    assert address_of({"client": ("192.0.2.1", 4711), "headers": headers}, hops) == expected
    assert address_of({"client": None, "headers": []}, hops) == ""


def test_the_client_of_a_login_is_read_from_either_place() -> None:
    assert client_id("", b"grant_type=client_credentials&client_id=a%20b&client_secret=c") == "a b"
    assert client_id("Basic " + b64encode(b"me:secret").decode(), b"") == "me"
    for nonsense in ("Basic !", "Basic " + b64encode(b"\xff").decode(), "Bearer x"):
        assert isinstance(client_id(nonsense, b"&" * 10_000), str)


def test_a_million_addresses_take_a_bounded_number_of_counters() -> None:
    counters = Counters()
    for number in range(1_000_000):
        counters.incr(str(number), 60)
    assert len(counters) == MOST_COUNTERS
    assert counters.get("999999") == 1


def test_counters_that_are_over_are_forgotten() -> None:
    counters = Counters()
    for number in range(1_000):
        counters.incr(str(number), 0)
    assert counters.get("999") == 0
    for number in range(500):
        counters.incr(f"late {number}", 60)
    assert len(counters) <= 501


def test_every_limit_is_documented_on_every_route(application: FastAPI) -> None:
    paths = {path: of for path, of in application.openapi()["paths"].items() if not path.startswith("/health/")}
    assert paths
    for path, operations in paths.items():
        for method, operation in operations.items():
            needed = {"413", "429", "503"} | ({"415"} if "requestBody" in operation else set())
            assert needed <= set(operation["responses"]), (method, path)


def test_a_route_that_is_added_is_guarded_without_a_second_list(application: FastAPI, strict: Settings) -> None:
    from app.auth import Member  # noqa: PLC0415

    def late(_: Member) -> None: ...

    application.add_api_route("/late/{name}", late, methods=["PUT"])
    assert isinstance(application.routes[-1], APIRoute)
    assert Rules(application.routes, strict).of("PUT", "/late/x").guards  # type: ignore[union-attr]
    assert JSON not in Rules(application.routes, strict).of("PUT", "/late/x").media_types  # type: ignore[union-attr]
