"""Tests of authentication and roles: each route declares its roles, and accepts only valid tokens with one of them."""

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import datetime, timedelta, tzinfo
from importlib import import_module
from typing import Any, Self
from uuid import UUID, uuid4

import jwt
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app import auth, problems
from app.auth import Allow, Tokens
from app.errors import NotAuthenticated
from app.issuers import KeySet
from app.local.keys import Keys
from app.main import ROUTES, create_app
from app.settings import SERVICES, Settings
from app.signing import Role, Signer, new_key

PUBLIC: frozenset[Role] = frozenset()
MEMBER, VENDOR, ADMIN = frozenset({Role.MEMBER}), frozenset({Role.VENDOR}), frozenset({Role.ADMIN})
ANALYSTS = frozenset({Role.ANALYST, Role.ADMIN})
SELLERS = frozenset({Role.ADMIN, Role.VENDOR})

MATRIX: dict[tuple[str, str], frozenset[Role]] = {
    ("GET", "/health/live"): PUBLIC,
    ("GET", "/health/ready"): PUBLIC,
    ("GET", "/products"): PUBLIC,
    ("GET", "/products/{product_id}"): PUBLIC,
    ("GET", "/categories"): PUBLIC,
    ("PATCH", "/categories/{category_id}"): ADMIN,
    ("POST", "/products"): VENDOR,
    ("PATCH", "/products/{product_id}"): VENDOR,
    ("POST", "/vendors"): PUBLIC,
    ("GET", "/vendors"): ADMIN,
    ("GET", "/vendors/{vendor_id}"): SELLERS,
    ("POST", "/vendors/{vendor_id}/transitions"): SELLERS,
    ("POST", "/vendors/{vendor_id}/credentials"): SELLERS,
    ("GET", "/oauth/jwks.json"): PUBLIC,
    ("POST", "/oauth/token"): PUBLIC,
    ("POST", "/vendors/{vendor_id}/feeds"): VENDOR,
    ("GET", "/vendors/{vendor_id}/feeds"): SELLERS,
    ("GET", "/vendors/{vendor_id}/feeds/{feed_id}"): SELLERS,
    ("GET", "/vendors/{vendor_id}/feeds/{feed_id}/errors.csv"): SELLERS,
    ("POST", "/members"): MEMBER,
    ("GET", "/members/me"): MEMBER,
    ("PATCH", "/members/me"): MEMBER,
    ("PUT", "/members/me/consent"): MEMBER,
    ("GET", "/members/me/segments"): MEMBER,
    ("POST", "/orders"): MEMBER,
    ("POST", "/orders/quote"): MEMBER,
    ("GET", "/orders"): MEMBER,
    ("GET", "/orders/{order_id}"): MEMBER,
    ("POST", "/orders/{order_id}/returns"): frozenset({Role.MEMBER, Role.VENDOR}),
    ("GET", "/orders/{order_id}/returns"): MEMBER,
    ("GET", "/program"): PUBLIC,
    ("PATCH", "/program"): ADMIN,
    ("GET", "/wallet"): MEMBER,
    ("GET", "/wallet/lots"): MEMBER,
    ("GET", "/wallet/lots/{lot_id}"): MEMBER,
    ("POST", "/redemptions"): MEMBER,
    ("GET", "/redemptions"): MEMBER,
    ("GET", "/redemptions/{redemption_id}"): MEMBER,
    ("POST", "/redemptions/{redemption_id}/cancellation"): MEMBER,
    ("POST", "/redemptions/{redemption_id}/fulfilment"): ADMIN,
    ("GET", "/wallet/payments"): MEMBER,
    ("GET", "/payments"): ADMIN,
    ("POST", "/payments/{payment_id}/transitions"): ADMIN,
    ("POST", "/claims"): MEMBER,
    ("GET", "/wallet/claims"): MEMBER,
    ("GET", "/wallet/statements/{year}"): MEMBER,
    ("GET", "/claims"): ADMIN,
    ("POST", "/claims/{claim_id}/decision"): ADMIN,
    ("GET", "/statements/{vendor_id}/{period}"): SELLERS,
    ("POST", "/corrections"): ADMIN,
    ("GET", "/corrections"): ADMIN,
    ("GET", "/corrections/{correction_id}"): ADMIN,
    ("POST", "/corrections/{correction_id}/transitions"): ADMIN,
    ("GET", "/wallet/corrections"): MEMBER,
    ("GET", "/rules"): PUBLIC,
    ("POST", "/rules"): ADMIN,
    ("POST", "/rules/simulations"): ADMIN,
    ("GET", "/rules/all"): ANALYSTS,
    ("GET", "/rules/{rule_id}"): ANALYSTS,
    ("PATCH", "/rules/{rule_id}"): ADMIN,
    ("POST", "/rules/{rule_id}/transitions"): ADMIN,
    ("POST", "/rules/{rule_id}/approvals"): ADMIN,
    ("POST", "/rules/{rule_id}/copies"): ADMIN,
    ("GET", "/nightly-runs"): ANALYSTS,
    ("GET", "/offers"): PUBLIC,
    ("POST", "/offers"): ADMIN,
    ("POST", "/offers/simulations"): ADMIN,
    ("GET", "/offers/all"): ANALYSTS,
    ("GET", "/offers/{offer_id}"): ANALYSTS,
    ("PATCH", "/offers/{offer_id}"): ADMIN,
    ("POST", "/offers/{offer_id}/transitions"): ADMIN,
    ("POST", "/offers/{offer_id}/approvals"): ADMIN,
    ("POST", "/offers/{offer_id}/copies"): ADMIN,
    ("POST", "/offers/{offer_id}/stock"): ADMIN,
    ("POST", "/offers/{offer_id}/subscriptions"): MEMBER,
    ("GET", "/subscriptions"): MEMBER,
    ("DELETE", "/subscriptions/{subscription_id}"): MEMBER,
    ("GET", "/wallet/lots/{lot_id}/proof"): MEMBER,
    ("GET", "/redemptions/{redemption_id}/proof"): MEMBER,
    ("GET", "/ledger/status"): ANALYSTS,
    ("GET", "/ledger/digest"): PUBLIC,
    ("GET", "/ledger/consistency"): PUBLIC,
    ("GET", "/ledger/revisions/{table}/{document_id}"): ANALYSTS,
    ("GET", "/ledger/history/{table}/{document_id}"): ANALYSTS,
    ("GET", "/ledger/blocks/{sequence}"): ANALYSTS,
    ("GET", "/insights/top-sellers"): ANALYSTS,
    ("GET", "/insights/busy-hours"): ANALYSTS,
    ("GET", "/insights/capacity"): ANALYSTS,
    ("GET", "/insights/recommendations"): MEMBER,
    ("GET", "/insights/discounts"): PUBLIC,
    ("GET", "/insights/discounts/terms"): VENDOR,
    ("PUT", "/insights/discounts/terms"): VENDOR,
    ("GET", "/insights/discounts/proposals"): VENDOR,
    ("POST", "/insights/discounts/{discount_id}/decision"): VENDOR,
    ("PUT", "/insights/discounts/switch"): ADMIN,
    ("GET", "/insights/discounts/effect"): ANALYSTS,
    ("GET", "/insights/products/{product_id}/companions"): PUBLIC,
    ("GET", "/insights/segments"): ANALYSTS,
    ("GET", "/insights/price-ranges"): ANALYSTS,
    ("GET", "/insights/brand-affinity"): ANALYSTS,
    ("GET", "/insights/seasonal"): ANALYSTS,
    ("GET", "/insights/areas"): ANALYSTS,
    ("GET", "/insights/years"): ANALYSTS,
}
GUARDED = sorted(cell for cell, roles in MATRIX.items() if roles)


@pytest.fixture(scope="module")
def app(issuer_keys: Keys) -> FastAPI:
    """An application without a database, which callers refused by authentication never reach."""
    application = create_app(Settings(database_url="postgresql://nowhere.invalid/none", issuers=issuer_keys.issuers()))
    application.state.db = None
    return application


@pytest.fixture(scope="module")
def outside(app: FastAPI) -> TestClient:
    return TestClient(app)


def routes(app: FastAPI) -> Iterator[APIRoute]:
    modules = [import_module(f"app.{module}") for service in SERVICES for module in ROUTES[service]]
    for router in [*(module.router for module in modules), app]:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                yield route


def allowed(dependant: Any) -> frozenset[Role]:
    own = dependant.call.roles if isinstance(dependant.call, Allow) else frozenset()
    return own.union(*(allowed(inner) for inner in dependant.dependencies))


def call(client: TestClient, cell: tuple[str, str], headers: dict[str, str]) -> tuple[int, str]:
    method, path = cell
    filled = "/".join(str(uuid4()) if part.startswith("{") else part for part in path.split("/"))
    body = {} if method in {"GET", "DELETE"} else {"content": "{}"}
    answer = client.request(method, filled, headers={**headers, "Idempotency-Key": "a key"}, **body)  # type: ignore[arg-type]
    return answer.status_code, answer.headers["content-type"]


def test_every_route_is_declared_and_lets_in_just_who_is_declared(app: FastAPI) -> None:
    roles_by_route = {
        (method, route.path): allowed(route.dependant) for route in routes(app) for method in route.methods or ()
    }
    assert roles_by_route == MATRIX


def test_the_documented_paths_are_the_declared_ones(app: FastAPI) -> None:
    documented = {
        (method.upper(), path): bool(operation.get("security"))
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
    }
    assert documented == {cell: bool(roles) for cell, roles in MATRIX.items()}


@pytest.mark.parametrize("cell", GUARDED, ids=" ".join)
def test_without_a_token_or_with_another_role_nothing_is_done(
    outside: TestClient, signers: dict[Role, Signer], cell: tuple[str, str]
) -> None:
    problem = "application/problem+json"
    assert call(outside, cell, {}) == (401, problem)
    assert call(outside, cell, {"Authorization": "Basic YTpi"}) == (401, problem)
    for role in set(Role) - MATRIX[cell]:
        token = signers[role].token(uuid4(), role, time.time(), 900)
        assert call(outside, cell, {"Authorization": f"Bearer {token}"}) == (403, problem), role


def test_a_refused_caller_is_told_how_to_come_in(outside: TestClient) -> None:
    answer = outside.get("/wallet", headers={"Authorization": "Bearer not.a.token"})
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["type"] == "urn:rewards:problem:not-authenticated"


# ── tokens ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def tokens(issuer_keys: Keys) -> Tokens:
    return Tokens(issuer_keys.issuers())


@pytest.fixture
def sign(issuer_keys: Keys) -> Any:
    """Return a function that signs a valid token with changed claims; None omits a claim."""
    pem = issuer_keys.people.read_bytes()
    kid = json.loads(issuer_keys.people_public.read_text())["keys"][0]["kid"]

    def signed(key: bytes | str = pem, algorithm: str = "RS256", kid: str = kid, **changed: Any) -> str:
        now = int(time.time())
        good = {"iss": "rewards-people", "aud": "rewards", "sub": str(UUID(int=7)), "iat": now, "exp": now + 60}
        claims = {**good, "cognito:groups": ["member"], **changed}
        kept = {name: _claim(value, now) for name, value in claims.items() if value is not None}
        return jwt.encode(kept, key, algorithm=algorithm, headers={"kid": kid})

    return signed


def _claim(value: Any, now: int) -> Any:
    """Convert a timedelta to a claim's time, counted from now rather than from the collection of the tests."""
    return now + int(value.total_seconds()) if isinstance(value, timedelta) else value


def caller(tokens: Tokens, token: str) -> auth.Caller:
    return asyncio.run(tokens.caller(token))


def test_a_good_token_names_its_subject_and_roles(tokens: Tokens, sign: Any) -> None:
    person = caller(tokens, sign(**{"cognito:groups": ["member", "admin", "gardener"]}))
    assert (person.subject, person.roles) == (UUID(int=7), frozenset({Role.MEMBER, Role.ADMIN}))
    assert caller(tokens, sign(**{"cognito:groups": None})).roles == set()


def test_an_issuer_of_the_companys_may_list_roles_elsewhere_and_name_subjects_its_own_way(
    issuer_keys: Keys, sign: Any
) -> None:
    theirs = {"roles_claim": "groups", "any_subject": True}
    tokens = Tokens([issuer.model_copy(update=theirs) for issuer in issuer_keys.issuers()])
    person = caller(tokens, sign(sub="auth0|alice", groups=["admin", "gardener"], **{"cognito:groups": ["analyst"]}))
    assert person.roles == {Role.ADMIN}
    assert person.subject == caller(tokens, sign(sub="auth0|alice")).subject
    assert person.subject != caller(tokens, sign(sub="auth0|bob")).subject
    assert caller(tokens, sign()).subject == UUID(int=7)
    spellings = {caller(tokens, sign(sub=sub)).subject for sub in (f"{{{UUID(int=7)}}}", f"urn:uuid:{UUID(int=7)}")}
    assert len(spellings | {UUID(int=7)}) == 3  # the company's issuer gave these to three people


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"exp": timedelta(seconds=-10)}, "expired"),
        ({"iss": "rewards"}, "does not publish"),
        ({"exp": None}, "lacks one of exp,"),
        ({"exp": "soon"}, "can't be read"),
        ({"aud": "another-api"}, "Audience"),
        ({"aud": None}, "lacks one of .*aud"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"sub": "alice"}, "subject"),
        ({"sub": None}, "lacks one of .*sub"),
        ({"kid": "another"}, "does not publish"),
        ({"key": new_key()}, "Signature"),
        ({"key": "", "algorithm": "none"}, "alg"),
        ({"key": "a secret that is long enough for HS256", "algorithm": "HS256"}, "alg"),
        ({"nbf": timedelta(minutes=10)}, "not yet valid"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_token_that_is_not_good_is_refused(tokens: Tokens, sign: Any, changed: dict[str, Any], says: str) -> None:
    with pytest.raises(NotAuthenticated, match=f"(?i){says}"):
        caller(tokens, sign(**changed))


NESTED = ".".join(["eyJhbGciOiJSUzI1NiJ9", base64.urlsafe_b64encode(b"[" * 5_000).decode().rstrip("="), "AA"])


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "a.b", "e30.e30.", "e30." + "e30." * 50, "a" * 9_000, "é.\udcff."])
def test_what_is_not_a_token_is_refused(tokens: Tokens, token: str) -> None:
    with pytest.raises(NotAuthenticated):
        caller(tokens, token)


def refusal_of(tokens: Tokens, header: str, claims: str = "{}") -> str:
    """Return the response body for a token that has this header and an invalid signature."""
    parts = (base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in (header, claims, "a signature"))
    with pytest.raises(NotAuthenticated) as refused:
        caller(tokens, ".".join(parts))
    return bytes(problems.refusal(refused.value).body).decode()


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from(["\ud800", "RS256", "crit", "b64", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["\ud800", "a", "b64"]), inner),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "\ud800", "zip"]), json_values),
    st.dictionaries(st.sampled_from(["iss", "exp", "aud", "sub", "nbf", "iat", "\ud800"]), json_values),
    st.booleans(),
)
@example({"alg": "RS256", "crit": ["\ud800"], "\ud800": 1}, {}, True)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_an_unsigned_token_says_is_refused_in_words_of_ours(
    tokens: Tokens, issuer_keys: Keys, header: Any, claims: Any, known: bool
) -> None:
    """A token with an invalid signature is refused; if `known`, it names a published key and a configured issuer."""
    kid = json.loads(issuer_keys.people_public.read_text())["keys"][0]["kid"]
    if known:
        header, claims = {"alg": "RS256", **header, "kid": kid}, {**claims, "iss": "rewards-people"}
    assert "ud800" not in refusal_of(tokens, json.dumps(header), json.dumps(claims))


def test_keys_are_kept_after_a_fault(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    refreshed: list[KeySet] = []

    def refresh(keys: KeySet) -> Future[None]:
        refreshed.append(keys)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(KeySet, "refresh", refresh)
    monkeypatch.setattr(auth, "_LOOK_EVERY_S", 0.01)

    async def life() -> None:
        keeping = asyncio.create_task(tokens.keep())
        while len(set(refreshed)) < len(tokens._issuers) or len(refreshed) < 6:
            assert not keeping.done(), "it died"
            await asyncio.sleep(0.01)
        keeping.cancel()

    asyncio.run(life())


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_changed_after_signing_is_refused(tokens: Tokens, sign: Any, part: int) -> None:
    parts = sign().split(".")
    parts[part] = parts[part][:10] + ("A" if parts[part][10] != "A" else "B") + parts[part][11:]
    with pytest.raises(NotAuthenticated):
        caller(tokens, ".".join(parts))


def test_a_token_that_was_good_is_refused_once_it_has_run_out(
    tokens: Tokens, sign: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, now = sign(exp=int(time.time()) + 60), time.time()
    assert caller(tokens, token).subject == UUID(int=7)
    monkeypatch.setattr(time, "time", lambda: now + 66)
    monkeypatch.setattr(jwt.api_jwt, "datetime", _Later)
    with pytest.raises(NotAuthenticated, match="expired"):
        caller(tokens, token)


class _Later(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + timedelta(seconds=66)


def test_clocks_may_differ_by_seconds(tokens: Tokens, sign: Any) -> None:
    soon = timedelta(seconds=auth.LEEWAY_S - 2)
    assert caller(tokens, sign(iat=soon, nbf=soon)).roles == {Role.MEMBER}
    assert caller(tokens, sign(exp=-soon)).roles == {Role.MEMBER}


def test_what_is_remembered_of_tokens_is_bounded(
    tokens: Tokens, signers: dict[Role, Signer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "_REMEMBERED", 3)
    for number in range(5):
        member = UUID(int=number)
        for _ in range(2):
            assert caller(tokens, signers[Role.MEMBER].token(member, Role.MEMBER, time.time(), 900)).subject == member
    assert len(tokens._checked) <= 3


@pytest.mark.parametrize("groups", [7, "administrator"])
def test_groups_that_are_not_a_list_give_no_role(tokens: Tokens, sign: Any, groups: object) -> None:
    assert caller(tokens, sign(**{"cognito:groups": groups})).roles == set()
