"""Tests of faulty token issuers: they affect only their own callers, and get few requests."""

import asyncio
import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import FastAPI
from fastapi.testclient import TestClient
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from app import issuers, jwks
from app.auth import Caller, Tokens
from app.errors import NotAuthenticated, Unavailable
from app.issuers import MOST_WAITING, KeySet
from app.jwks import NoKeys
from app.local.keys import Keys
from app.main import create_app
from app.settings import Issuer, Settings
from app.signing import Role
from tests.conftest import Token, Until

Answer = Callable[[BaseHTTPRequestHandler], None]
EVERY_S = 0.5
ISSUER = "https://issuer.example"


class Key:
    """A signing key of the tested issuer, with its tokens."""

    def __init__(self, name: str, bits: int = 2048) -> None:
        self.name, self.private = name, rsa.generate_private_key(65537, bits)

    def entry(self, **changed: Any) -> dict[str, Any]:
        public: dict[str, Any] = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "kid": self.name, "use": "sig", "alg": "RS256", **changed}

    def token(self, subject: UUID | None = None, *roles: str, **changed: Any) -> str:
        claims = {"iss": ISSUER, "aud": "rewards", "sub": str(subject or uuid4()), "exp": int(time.time()) + 600}
        groups = {"cognito:groups": roles or ("member",)}
        headers = {"kid": changed.pop("kid", self.name)}
        return jwt.encode({**claims, **groups, **changed}, self.private, "RS256", headers)


def says(content: bytes | str, status: int = 200, **headers: str) -> Answer:
    body = content.encode() if isinstance(content, str) else content

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def raw(content: bytes) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(content)

    return answer


def publishes(*keys: Key) -> Answer:
    return says(json.dumps({"keys": [key.entry() for key in keys]}))


class Published:
    """A local HTTP server that publishes an issuer's keys; tests change its response."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.requested_at, self.over = answer, list[float](), Event()
        published = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                published.requested_at.append(time.monotonic())
                with suppress(OSError):
                    published.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def drips(self, request: BaseHTTPRequestHandler) -> None:
        """Send a response that never ends, a byte at a time."""
        request.send_response(200)
        request.end_headers()
        self._drip(request, b" ")

    def drips_headers(self, request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.0 200 OK\r\n")
        self._drip(request, b"X: y\r\n")

    def _drip(self, request: BaseHTTPRequestHandler, drop: bytes) -> None:
        while not self.over.wait(0.2):
            request.wfile.write(drop)

    def silent(self, _: BaseHTTPRequestHandler) -> None:
        self.over.wait(60)

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def key() -> Key:
    return Key("one")


@pytest.fixture
def published(key: Key) -> Iterator[Published]:
    issuer = Published(publishes(key))
    yield issuer
    issuer.close()


def issuer_at(url: str, *roles: Role) -> Issuer:
    return Issuer(issuer=ISSUER, jwks_url=url, roles=frozenset(roles or (Role.MEMBER,)))


@pytest.fixture
def tokens(published: Published) -> Tokens:
    return Tokens([issuer_at(published.url)], ask_every_s=EVERY_S)


@contextmanager
def serving(settings: Settings, url: str) -> Iterator[TestClient]:
    """A client of an application that also accepts the tested issuer's tokens."""
    app: FastAPI = create_app(settings)
    app.state.tokens = Tokens([*settings.issuers, issuer_at(url)], ask_every_s=EVERY_S)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def private_key(key: Key) -> dict[str, Any]:
    secret: dict[str, Any] = RSAAlgorithm.to_jwk(key.private, as_dict=True)
    return {**secret, "kid": key.name}


def elliptic(key: Key) -> dict[str, Any]:
    curve: dict[str, Any] = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
    return {**curve, "kid": key.name}


def keys_of(*entries: object) -> Answer:
    return says(json.dumps({"keys": entries}))


NONSENSE: dict[str, Callable[[Published, Key], Answer]] = {
    "silent": lambda published, _: published.silent,
    "dripping": lambda published, _: published.drips,
    "dripping headers": lambda published, _: published.drips_headers,
    "HTML": lambda *_: says("<html><body>Sign in to the network</body></html>", Content_Type="text/html"),
    "nothing": lambda *_: says(""),
    "an error": lambda _, key: says(json.dumps({"keys": [key.entry()]}), 500),
    "elsewhere": lambda *_: says("", 302, Location="https://elsewhere.example/keys"),
    "a list": lambda _, key: says(json.dumps([key.entry()])),
    "null": lambda *_: says("null"),
    "no keys": lambda *_: keys_of(),
    "keys that are text": lambda *_: says('{"keys": "none"}'),
    "keys that are none": lambda *_: keys_of(None, 7, "key", [], {}, {"kty": "RSA"}, {"kty": "RSA", "kid": "one"}),
    "a secret": lambda _, key: keys_of({"kty": "oct", "k": base64.b64encode(b"k" * 32).decode(), "kid": key.name}),
    "another kind": lambda _, key: keys_of(elliptic(key)),
    "a private key": lambda _, key: keys_of(private_key(key)),
    "for encryption": lambda _, key: keys_of(key.entry(use="enc")),
    "another algorithm": lambda _, key: keys_of(key.entry(alg="RS512")),
    "no id": lambda _, key: keys_of(key.entry(kid=None)),
    "a weak key": lambda _, key: keys_of(Key(key.name, 1024).entry()),
    "a key of no number": lambda _, key: keys_of(key.entry(n="???", e=7)),
    "deep": lambda *_: says("[" * 50_000),
    "not text": lambda *_: says(b"\xff\xfe\x00" * 100),
    "huge": lambda _, key: keys_of(key.entry(), "x" * 10_000_000),
    "no HTTP": lambda *_: raw(b"SSH-2.0-OpenSSH\r\n"),
    "cut short": lambda *_: raw(b"HTTP/1.0 200 OK\r\nContent-Length: 99\r\n\r\n{"),
}


@pytest.mark.parametrize("wrong", NONSENSE)
def test_nonsense_is_no_key_and_the_keys_before_stay(
    published: Published, tokens: Tokens, key: Key, wrong: str, until: Until
) -> None:
    """An issuer's invalid response adds no key, and does not replace the keys that were read before."""

    async def life() -> None:
        published.answer = NONSENSE[wrong](published, key)
        begun = time.monotonic()
        with pytest.raises(Unavailable) as refused:
            await tokens.caller(key.token())
        assert int(refused.value.headers["Retry-After"]) >= 1
        assert time.monotonic() - begun < 2 * jwks.PATIENCE_S
        published.answer = publishes(key)
        assert (await call_until_served(tokens, key.token())).roles == {Role.MEMBER}
        published.answer = NONSENSE[wrong](published, key)
        await asyncio.sleep(EVERY_S)
        with pytest.raises(Unavailable):
            await tokens.caller(key.token(kid="unknown"))
        assert (await tokens.caller(key.token())).roles == {Role.MEMBER}

    asyncio.run(life())


class NoThread(Thread):
    def start(self) -> None:
        raise RuntimeError("can't start new thread")


def test_a_reading_that_could_not_begin_is_not_the_last(
    tokens: Tokens, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def life() -> None:
        with monkeypatch.context() as full:
            full.setattr(issuers, "Thread", NoThread)
            begun = time.monotonic()
            with pytest.raises(Unavailable):
                await tokens.caller(key.token())
            assert time.monotonic() - begun < jwks.PATIENCE_S, "there is nothing to wait for"
        assert (await call_until_served(tokens, key.token())).roles == {Role.MEMBER}

    asyncio.run(life())


def test_a_reading_that_does_not_end_is_given_up_and_what_it_brings_late_is_old(
    key: Key, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(issuers, "LOST_AFTER_S", 0.2)
    go_on, readings = Event(), list[int]()

    def read() -> jwks.Keys:
        readings.append(1)
        if len(readings) > 1:
            return {"new": key.private.public_key()}
        go_on.wait(60)
        return {"old": key.private.public_key()}

    keys = KeySet("an issuer", read, ask_every_s=0.1)
    first = keys.ask()
    until(lambda: keys.ask() is not first and keys.keys)
    go_on.set()
    until(first.done)
    assert set(keys.keys) == {"new"}


@pytest.fixture
def dripping_handshake() -> Iterator[str]:
    """Start an issuer whose TLS handshake sends single bytes, for five times as long as the client waits."""
    over = Event()

    def drip() -> None:
        connection, _ = server.accept()
        with connection, suppress(OSError):
            connection.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 KiB begins
            for _ in range(round(5 * jwks.PATIENCE_S / 0.2)):
                over.wait(0.2)
                connection.sendall(b"\x02")

    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=drip, daemon=True).start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}/keys"
        over.set()


def test_a_handshake_that_drips_is_cut(dripping_handshake: str) -> None:
    begun = time.monotonic()
    with pytest.raises(NoKeys):
        jwks.source(issuer_at(dripping_handshake))()
    assert time.monotonic() - begun < 2 * jwks.PATIENCE_S


async def call_until_served(tokens: Tokens, token: str) -> Caller:
    deadline = time.monotonic() + 20
    while True:
        try:
            return await tokens.caller(token)
        except Unavailable:
            assert time.monotonic() < deadline, "the issuer answers, and is not heard"
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("away", ["silent", "dripping", "HTML", "huge"])
def test_only_callers_of_a_lost_issuer_notice(
    settings: Settings, published: Published, key: Key, token: Token, away: str
) -> None:
    published.answer = NONSENSE[away](published, key)
    with serving(settings, published.url) as client, ThreadPoolExecutor(16) as threads:
        lost = [threads.submit(client.get, "/members/me", headers=bearer(key.token())) for _ in range(12)]
        begun = time.monotonic()
        others = [client.get("/members/me", headers=token(Role.MEMBER, uuid4())).status_code for _ in range(5)]
        healthy = [client.get(f"/health/{part}").status_code for part in ("live", "ready")]
        assert (set(others), healthy) == ({404}, [200, 200])
        assert time.monotonic() - begun < jwks.PATIENCE_S, "nobody else waits for the issuer"
        for answer in [waiting.result() for waiting in lost]:
            assert answer.status_code == 503
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["Retry-After"]) >= 1
        published.answer = publishes(key)
        deadline = time.monotonic() + 20
        while client.get("/members/me", headers=bearer(key.token())).status_code == 503:
            assert time.monotonic() < deadline


def test_keys_of_an_issuer_that_is_gone_go_on_counting(settings: Settings, published: Published, key: Key) -> None:
    with serving(settings, published.url) as client:
        assert client.get("/members/me", headers=bearer(key.token())).status_code == 404  # not registered, but known
        published.close()
        time.sleep(EVERY_S)
        assert client.get("/members/me", headers=bearer(key.token(kid="other"))).status_code == 503
        assert client.get("/members/me", headers=bearer(key.token())).status_code == 404


@pytest.mark.parametrize("issuer", ["answers", "is silent"])
def test_unknown_key_ids_by_the_hundred_ask_the_issuer_once_an_interval(
    published: Published, tokens: Tokens, key: Key, issuer: str
) -> None:
    """300 unknown key ids in three seconds; meanwhile a valid token is accepted, and the event loop isn't blocked."""

    async def flood() -> tuple[list[type], float, int]:
        assert await tokens.caller(key.token())
        published.answer = publishes(key) if issuer == "answers" else published.silent
        await asyncio.sleep(EVERY_S)
        good, slowest, waiting, refusals = key.token(), 0.0, 0, []
        for number in range(300):
            refusals.append(asyncio.create_task(outcome(tokens, key.token(kid=f"unknown-{number}"))))
            begun = time.monotonic()
            assert (await tokens.caller(good)).roles == {Role.MEMBER}
            await asyncio.sleep(0.01)
            slowest = max(slowest, time.monotonic() - begun)
            waiting = max(waiting, tokens._issuers[ISSUER][1]._waiting)
        return [type(refusal) for refusal in await asyncio.gather(*refusals)], slowest, waiting

    refusals, slowest, waiting = asyncio.run(flood())
    apart = [later - sooner for sooner, later in zip(published.requested_at, published.requested_at[1:], strict=False)]
    assert all(seconds > EVERY_S * 0.9 for seconds in apart)
    expected = {NotAuthenticated} if issuer == "answers" else {Unavailable}
    unheard = {Unavailable} if waiting == MOST_WAITING else set()  # who came when so many waited already
    assert expected <= set(refusals) <= expected | unheard
    assert waiting <= MOST_WAITING
    assert slowest < 1


async def outcome(tokens: Tokens, token: str) -> object:
    try:
        return await tokens.caller(token)
    except (NotAuthenticated, Unavailable) as refused:
        return refused


def test_many_first_tokens_of_a_new_key_are_served_by_one_request(published: Published, tokens: Tokens) -> None:
    old, new = Key("old"), Key("new")

    async def rotation() -> list[object]:
        published.answer = publishes(old)
        assert await tokens.caller(old.token())
        published.answer = publishes(old, new)
        await asyncio.sleep(EVERY_S)
        return await asyncio.gather(*(outcome(tokens, new.token()) for _ in range(20)))

    assert {type(caller) for caller in asyncio.run(rotation())} == {Caller}
    assert len(published.requested_at) == 2


def test_a_withdrawn_key_ends_its_tokens(published: Published, tokens: Tokens, key: Key) -> None:
    other, token = Key("other"), key.token()

    async def life() -> None:
        assert await tokens.caller(token)
        published.answer = publishes(other)
        await asyncio.sleep(EVERY_S)
        assert await tokens.caller(other.token())
        with pytest.raises(NotAuthenticated):
            await tokens.caller(token)

    asyncio.run(life())


def test_keys_are_read_before_they_are_needed_and_again_before_they_are_old(
    settings: Settings, published: Published, key: Key, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(issuers, "OLD_AFTER_S", 1.0)
    with serving(settings, published.url) as client:
        assert len(published.requested_at) == 1, "nobody has called yet"
        assert client.get("/members/me", headers=bearer(key.token())).status_code == 404
        until(lambda: len(published.requested_at) >= 3)


@pytest.mark.parametrize("may_give", [{Role.MEMBER}, {Role.MEMBER, Role.ANALYST}, {Role.VENDOR}])
def test_an_issuer_gives_no_role_that_is_not_its_own(published: Published, key: Key, may_give: set[Role]) -> None:
    tokens = Tokens([issuer_at(published.url, *may_give)])
    caller = asyncio.run(tokens.caller(key.token(None, *Role)))
    assert caller.roles == may_give


# ── the issuer is the process itself ────────────────────────────────────────────────────────────────────────────────


@contextmanager
def process(database_url: str, keys: Keys, issuer: str, log: Path) -> Iterator[str]:
    """Start an API process that is its own issuer, with a single thread, and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    itself = Issuer(issuer=issuer, jwks_url=f"{url}/oauth/jwks.json", roles=frozenset({Role.VENDOR}))
    environment = {
        **os.environ,
        "REWARDS_DATABASE_URL": database_url,
        "REWARDS_POOL_SIZE": "1",
        "REWARDS_ISSUERS": json.dumps([itself.model_dump(mode="json")]),
        "REWARDS_SIGNING_KEY": str(keys.private),
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "app.main:create_app", "--port", str(port)]
    with log.open("wb") as output:
        running = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 60
        while not answers(f"{url}/health/live"):
            assert time.monotonic() < deadline, log.read_text()
        yield url
    finally:
        running.terminate()
        running.wait(20)


def answers(url: str) -> bool:
    with suppress(httpx2.TransportError):
        return httpx2.get(url, timeout=5).status_code == 200
    time.sleep(0.1)
    return False


@pytest.mark.parametrize(("issuer", "requests"), [("rewards", 0), ("https://other.example", 1)])
def test_a_process_that_is_its_own_issuer_serves_first_tokens_and_everyone_else(
    database_url: str, issuer_keys: Keys, tmp_path: Path, issuer: str, requests: int
) -> None:
    """A process reads its own issuer's key from memory; if the issuer has another name, it reads the key over HTTP."""
    signer = issuer_keys.private.read_bytes()
    kid = json.loads(issuer_keys.public.read_text())["keys"][0]["kid"]

    def first_token() -> dict[str, str]:
        claims = {"iss": issuer, "aud": "rewards", "sub": str(uuid4()), "exp": int(time.time()) + 600}
        return bearer(jwt.encode({**claims, "cognito:groups": ["vendor"]}, signer, "RS256", {"kid": kid}))

    log = tmp_path / "log"
    with process(database_url, issuer_keys, issuer, log) as url, ThreadPoolExecutor(10) as threads:

        def served() -> int:
            return httpx2.get(f"{url}/insights/discounts/terms", headers=first_token(), timeout=10).status_code

        deadline, waits = time.monotonic() + 30, []
        while set(statuses := [*threads.map(lambda _: served(), range(10))]) != {200}:
            assert set(statuses) <= {200, 503}
            assert time.monotonic() < deadline, log.read_text()
            begun = time.monotonic()
            assert answers(f"{url}/health/ready")
            waits.append(time.monotonic() - begun)
        assert max(waits, default=0) < jwks.PATIENCE_S
        assert bool(waits) == bool(requests), "who holds the key needs no second try"
    assert bool(log.read_text().count("/oauth/jwks.json")) == bool(requests)
