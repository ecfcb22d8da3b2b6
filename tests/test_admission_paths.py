"""Tests that a path matches a route exactly or not at all, both for admission control and for the application."""

import asyncio
from typing import Any
from urllib.parse import unquote

import pytest
from fastapi import FastAPI

from app.admission.rules import Rules
from app.local.keys import Keys
from app.main import create_app
from app.settings import Settings

SUFFIXES = ["%0A", "%0D", "%0D%0A", "%0A%0A", "/", "%2F", "//", ";x", "%00", "%20", "%E2%80%A8", "%3F", "%0Ax"]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "OPTIONS", "HEAD"]


@pytest.fixture(scope="module")
def strict(issuer_keys: Keys) -> Settings:
    return Settings(
        database_url="postgresql://nowhere.invalid/none",
        issuers=issuer_keys.issuers(),
        signing_key=issuer_keys.private,
        anonymous_writes_a_minute=100_000,
    )


@pytest.fixture(scope="module")
def application(strict: Settings) -> FastAPI:
    app = create_app(strict)
    app.state.db = None
    return app


async def _ask(app: FastAPI, method: str, path: str) -> tuple[int, bool]:
    """Send a request to the ASGI application; return the status, and whether the body was read."""
    starts: list[Any] = []
    read = False

    async def receive() -> Any:
        nonlocal read
        read = True
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            starts.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", b"2"), (b"idempotency-key", b"a")]
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": unquote(path), "raw_path": path.encode()}
    rest = {"query_string": b"", "root_path": "", "headers": headers, "client": ("10.0.0.1", 1), "app": app}
    await app({**scope, **rest}, receive, send)
    return starts[0]["status"], read


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_no_route_is_reached_by_a_path_without_a_rule(application: FastAPI, strict: Settings, suffix: str) -> None:
    rules = Rules(application.routes, strict)
    paths = [*application.openapi()["paths"], "/docs", "/openapi.json", "/static-offline-docs/swagger-ui.css"]
    requests = 0
    for path in paths:
        sent = path.replace("{", "").replace("}", "") + suffix
        for method in METHODS:
            served_as = "GET" if method == "HEAD" else method
            if path.startswith("/health/") or rules.of(served_as, unquote(sent)):
                continue
            requests += 1
            status, read = asyncio.run(_ask(application, method, sent))
            assert not read, (method, sent)
            assert status in ((204, 404, 405) if method == "OPTIONS" else (404, 405)), (method, sent, status)
            assert status == 404 or suffix not in ("%0A", "%0D%0A"), (method, sent, status)
    assert requests > 50


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_written_at_a_path_that_no_route_names(application: FastAPI, suffix: str) -> None:
    """No POST route without a token has a parameter in its path, so a path with a suffix matches no route."""
    for path in ("/members", "/vendors", "/oauth/token"):
        assert asyncio.run(_ask(application, "POST", path + suffix)) == (404, False), path + suffix
