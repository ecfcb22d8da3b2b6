"""Tests of the outermost ASGI layer: HEAD, OPTIONS, Allow, CORS, no redirects, and headers of all responses."""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from app.edge import Edge
from app.errors import Misconfigured
from app.ids import new_id
from app.main import create_app
from app.routing import CACHED_SECONDS
from app.settings import Settings
from app.signing import Role
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
SHOP = "https://shop.example"
DOCUMENTATION = ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect", "/static-offline-docs/swagger-ui.css")
READ = {"GET", "HEAD"}


def filled(path: str) -> str:
    return "/".join(str(new_id()) if part.startswith("{") else part for part in path.split("/"))


@pytest.fixture(scope="module")
def broken() -> TestClient:
    """A client of an application without a database, for which CORS allows one origin."""
    app = create_app(Settings(database_url="postgresql://nowhere.invalid/none", cors_origins=[SHOP]))
    app.state.db = None
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def paths(broken: TestClient) -> dict[str, set[str]]:
    """The methods of every documented path."""
    described = broken.get("/openapi.json").json()["paths"]
    return {path: {method.upper() for method in operations} for path, operations in described.items()}


def test_head_is_answered_as_get_without_the_body(client: TestClient, paths: dict[str, set[str]], shop: Shop) -> None:
    shop.product()
    looked_at = [filled(path) for path, methods in paths.items() if "GET" in methods]
    assert len(looked_at) > 40
    answered = set()
    for path in [*looked_at, *DOCUMENTATION, "/nowhere", "/orders/quote"]:
        get, head = client.get(path), client.head(path)
        assert (head.status_code, head.headers, head.content) == (get.status_code, get.headers, b""), path
        assert get.content, path
        answered.add(get.status_code)
    assert answered >= {200, 401, 404}


def test_allow_names_all_that_a_path_answers_to(broken: TestClient, paths: dict[str, set[str]]) -> None:
    def methods_at(path: str) -> set[str]:
        """Return the methods of all documented paths that match; /orders/{order_id} also matches /orders/quote."""
        of = [methods for known, methods in paths.items() if re.fullmatch(re.sub(r"{\w+}", "[^/]+", known), path)]
        return set().union(*of)

    concrete = {path: methods_at(path) for path in map(filled, paths)}
    for path, methods in {**concrete, **{path: {"GET"} for path in DOCUMENTATION}}.items():
        allowed = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - methods:
            answer = broken.request(method, path)
            assert (answer.status_code, answer.headers["Allow"]) == (405, allowed), f"{method} {path}"
        options = broken.options(path)
        assert (options.status_code, options.headers["Allow"], options.content) == (204, allowed, b""), path
    assert broken.delete("/orders").headers["Allow"] == "GET, HEAD, POST"
    assert broken.options("/nowhere").status_code == 404


def test_nobody_is_sent_elsewhere(broken: TestClient, paths: dict[str, set[str]]) -> None:
    for path in [*map(filled, paths), *DOCUMENTATION, "/static-offline-docs", "/nowhere"]:
        for method in ("GET", "HEAD", "POST"):
            answer = broken.request(method, path + "/", headers={"Host": "evil.example"}, follow_redirects=False)
            assert answer.status_code // 100 != 3, path
            assert "location" not in answer.headers
            assert "evil" not in answer.text


def test_every_answer_says_who_may_keep_it(client: TestClient, paths: dict[str, set[str]], shop: Shop) -> None:
    product = shop.product()
    kept = {path.replace("{product_id}", str(product)) for path in CACHED_SECONDS}
    for path, methods in paths.items():
        for method in methods:
            answer = client.request(method, filled(path))
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path
            if path not in kept:
                assert answer.headers["Cache-Control"] == "no-store", f"{method} {path}"
    assert {client.get(path).headers["Cache-Control"] for path in kept} == {"public, max-age=10"}
    assert client.get("/products", params={"limit": 0}).headers["Cache-Control"] == "no-store"


def test_what_needs_a_token_is_never_kept(paths: dict[str, set[str]], broken: TestClient) -> None:
    described = broken.get("/openapi.json").json()["paths"]
    assert set(CACHED_SECONDS) <= set(paths)
    assert not [path for path in CACHED_SECONDS if described[path]["get"].get("security")]


@pytest.mark.parametrize("path", ["/insights/top-sellers", "/insights/busy-hours", "/insights/discounts/effect"])
def test_a_table_is_a_file_with_a_name(caller: Calls, path: str) -> None:
    answer = caller(Role.ANALYST, new_id()).get(path, format="csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{path.rpartition("/")[2]}.csv"'
    assert answer.headers["Cache-Control"] == "no-store"


# ── other sites' pages ──────────────────────────────────────────────────────────────────────────────────────────────


def cors(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control-")}


def preflight(client: TestClient, path: str, method: str, origin: str) -> Any:
    headers = {"Origin": origin, "Access-Control-Request-Method": method}
    return client.options(path, headers={**headers, "Access-Control-Request-Headers": "authorization, idempotency-key"})


def test_a_preflight_needs_no_token_on_any_route(broken: TestClient, paths: dict[str, set[str]]) -> None:
    assert paths
    for path, methods in paths.items():
        for method in methods:
            answer = preflight(broken, filled(path), method, SHOP)
            assert answer.status_code == 200, path
            assert answer.headers["Access-Control-Allow-Origin"] == SHOP
            assert method in answer.headers["Access-Control-Allow-Methods"]
            assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]


def test_a_preflight_is_answered_as_anything_else(broken: TestClient) -> None:
    """All CORS preflights, allowed or refused, get the headers that other responses have."""
    for path, method, origin in (
        ("/orders", "POST", SHOP),
        ("/orders", "BREW", SHOP),
        ("/nowhere", "GET", SHOP),
        ("/orders", "POST", "https://evil.example"),
    ):
        headers = preflight(broken, path, method, origin).headers
        assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store"), (path, method)
        assert "Origin" in headers["Vary"]


@pytest.mark.usefixtures("no_logs")
def test_errors_reach_the_pages_of_an_allowed_site_and_no_other(broken: TestClient) -> None:
    requests = [("GET", "/products", 500), ("GET", "/wallet", 401), ("GET", "/nowhere", 404), ("PUT", "/orders", 405)]
    for method, path, status in [*requests, ("GET", "/products?limit=0", 422), ("GET", "/health/live", 200)]:
        answer = broken.request(method, path, headers={"Origin": SHOP})
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, SHOP), path
        for stranger in ("https://evil.example", SHOP + ".evil.example", "null", SHOP.upper(), "http://shop.example"):
            refused = broken.request(method, path, headers={"Origin": stranger})
            assert (refused.status_code, cors(refused.headers)) == (status, {}), stranger
            assert cors(preflight(broken, path, "GET", stranger).headers) == {}
        for response in (answer, refused, broken.request(method, path)):
            assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize("status", [413, 415, 429, 503])
def test_what_admission_refuses_reaches_the_pages_too(status: int) -> None:
    async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
        await JSONResponse({}, status, {"Retry-After": "1"})(scope, receive, send)

    edge = Edge(FastAPI(), refuse, Settings(database_url="postgresql://nowhere.invalid/none", cors_origins=[SHOP]))
    answer = TestClient(edge).post("/orders", headers={"Origin": SHOP})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, SHOP)
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]


def test_no_site_is_allowed_unless_a_setting_says_so(client: TestClient) -> None:
    for answer in (client.get("/health/live", headers={"Origin": SHOP}), preflight(client, "/orders", "POST", SHOP)):
        assert cors(answer.headers) == {}
        assert "Vary" not in answer.headers


def test_all_sites_may_be_allowed_but_not_with_cookies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARDS_DATABASE_URL", "postgresql://nowhere.invalid/none")
    monkeypatch.setenv("REWARDS_CORS_ORIGINS", '["*"]')
    answer = TestClient(create_app(Settings.load())).get("/health/live", headers={"Origin": SHOP})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    monkeypatch.setenv("REWARDS_CORS_CREDENTIALS", "true")
    with pytest.raises(Misconfigured, match="REWARDS_CORS_CREDENTIALS"):
        Settings.load()


@pytest.mark.parametrize("origin", ["shop.example", SHOP + "/", SHOP + "/page", "https://", "null", "ftp://a.example"])
def test_what_is_no_origin_is_refused_at_the_start(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARDS_DATABASE_URL", "postgresql://nowhere.invalid/none")
    monkeypatch.setenv("REWARDS_CORS_ORIGINS", f'["{origin}"]')
    with pytest.raises(Misconfigured, match="is no origin"):
        Settings.load()
