"""Tests of vendors' client credentials, and of the access tokens issued for them."""

from base64 import b64encode
from collections.abc import Callable
from re import fullmatch
from typing import Any
from urllib.parse import quote_plus

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from app.db import Database
from app.ids import new_id
from app.settings import Settings
from app.vendors.models import VendorState
from tests.conftest import NOWHERE

FORM = "application/x-www-form-urlencoded"
Brought = Callable[[VendorState], tuple[str, Any]]


def ask(client: TestClient, client_id: str, secret: str, **more: str) -> Response:
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, **more}
    return client.post("/oauth/token", data=form)


def test_credentials_give_a_token_of_the_vendor(client: TestClient, apply: Callable[..., Response]) -> None:
    credentials = apply().json()
    answer = ask(client, credentials["client_id"], credentials["client_secret"])
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 900)
    assert answer.headers["Cache-Control"] == "no-store"
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert client.get(f"/vendors/{credentials['vendor_id']}", headers=headers).json()["state"] == "applied"
    assert client.get("/vendors", headers=headers).status_code == 403


def test_what_does_not_fit_is_refused_alike(client: TestClient, apply: Callable[..., Response]) -> None:
    credentials = apply().json()
    rejected = apply(email="me@gmail.com").json()
    answers = [
        ask(client, credentials["client_id"], credentials["client_secret"] + "x"),
        ask(client, credentials["client_id"], "é"),
        ask(client, str(new_id()), credentials["client_secret"]),
        ask(client, "nobody", credentials["client_secret"]),
        ask(client, rejected["client_id"], "anything"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1


def test_a_vendor_rejected_later_gets_no_token(client: TestClient, apply: Callable[..., Response], admin: Any) -> None:
    credentials = apply().json()
    admin.post(f"/vendors/{credentials['vendor_id']}/transitions", {"to": "rejected", "reasons": ["A test"]})
    assert ask(client, credentials["client_id"], credentials["client_secret"]).status_code == 401
    assert admin.post(f"/vendors/{credentials['vendor_id']}/credentials", {}).status_code == 409


@pytest.mark.parametrize("by_admin", [True, False])
def test_a_new_secret_ends_the_old_one(client: TestClient, vendor: Brought, admin: Any, by_admin: bool) -> None:
    vendor_id, itself = vendor(VendorState.ACTIVE)
    old = admin.post(f"/vendors/{vendor_id}/credentials", {}).json()
    assert ask(client, vendor_id, old["client_secret"]).status_code == 200
    asking = admin if by_admin else itself
    fresh, again = (asking.post(f"/vendors/{vendor_id}/credentials", {}, "k") for _ in range(2))
    assert fresh.status_code == 201
    assert again.json() == {**fresh.json(), "client_secret": None}
    assert ask(client, vendor_id, old["client_secret"]).status_code == 401
    assert ask(client, vendor_id, fresh.json()["client_secret"]).status_code == 200


# ── RFC 6749 ────────────────────────────────────────────────────────────────────────────────────────────────────────

ID, SECRET = "0197f0aa-5c1e-7b1f-9d43-6d1c1b7a2f10", "s"
GRANT = "grant_type=client_credentials"
BOTH = f"{GRANT}&client_id={ID}&client_secret={SECRET}"


def basic(client_id: str, secret: str) -> str:
    joined = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Basic {b64encode(joined.encode()).decode()}"


def post(client: TestClient, body: str | bytes, *authorization: str, kind: str = FORM) -> Response:
    headers = [("Content-Type", kind), *(("Authorization", value) for value in authorization)]
    return client.post("/oauth/token", content=body, headers=headers)


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_credentials_are_taken_by_http_basic_too(
    client: TestClient, apply: Callable[..., Response], scheme: str
) -> None:
    credentials = apply().json()
    header = basic(credentials["client_id"], credentials["client_secret"]).replace("Basic", scheme)
    for body in (
        GRANT,
        f"{GRANT}&client_id={credentials['client_id']}",
        f"{GRANT}&client_secret=&scope=",
        f"{GRANT}&x=1",
    ):
        answer = post(client, body, header)
        assert answer.status_code == 200, body
        assert answer.json()["expires_in"] == 900
        assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")


@pytest.mark.parametrize(
    ("error", "body", "authorization"),
    [
        ("invalid_request", "", ()),
        ("invalid_request", f"client_id={ID}&client_secret={SECRET}", ()),
        ("invalid_request", f"grant_type=&client_id={ID}&client_secret={SECRET}", ()),
        ("invalid_request", f"{BOTH}&{GRANT}", ()),
        ("invalid_request", f"{BOTH}&client_id={ID}", ()),
        ("invalid_request", f"{BOTH}&x=1&x=2", ()),
        ("invalid_request", b"grant_type=client_credentials&client_id=\xff", ()),
        ("invalid_request", f"{GRANT}&client_id=%FF", ()),
        ("invalid_request", "&".join(f"f{number}=1" for number in range(100)), ()),
        ("invalid_request", BOTH, (basic(ID, SECRET),)),
        ("invalid_request", f"{GRANT}&client_id=another", (basic(ID, SECRET),)),
        ("invalid_request", GRANT, (basic(ID, SECRET), basic(ID, SECRET))),
        ("unsupported_grant_type", BOTH.replace("client_credentials", "password"), ()),
        ("unsupported_grant_type", "grant_type=authorization_code&code=x", (basic(ID, SECRET),)),
        ("invalid_scope", f"{BOTH}&scope=admin", ()),
        ("invalid_client", GRANT, ()),
        ("invalid_client", f"{GRANT}&client_id={ID}", ()),
        ("invalid_client", f"{GRANT}&client_secret={SECRET}", ()),
        ("invalid_client", BOTH, ()),
        ("invalid_client", BOTH.replace(ID, "nobody%00"), ()),
        ("invalid_client", GRANT, (basic(ID, SECRET),)),
        ("invalid_client", GRANT, (basic("", ""),)),
        ("invalid_client", GRANT, ("Basic",)),
        ("invalid_client", GRANT, ("Basic é",)),
        ("invalid_client", GRANT, ("Basic ####",)),
        ("invalid_client", GRANT, (f"Basic {b64encode(b'no colon').decode()}",)),
        ("invalid_client", GRANT, (f"Basic {b64encode(bytes([255, 58])).decode()}",)),
        ("invalid_client", GRANT, (f"Basic {b64encode(b'%FF:x').decode()}",)),
        ("invalid_client", GRANT, ("Bearer e30.e30.x",)),
    ],
)
def test_a_refusal_says_which_error_of_rfc_6749_it_is(
    client: TestClient, error: str, body: str | bytes, authorization: tuple[str, ...]
) -> None:
    headers = [("Content-Type", FORM), *(("Authorization", value.encode()) for value in authorization)]
    answer = client.post("/oauth/token", content=body, headers=headers)  # type: ignore[arg-type]
    refusal = answer.json()
    assert (answer.status_code, refusal["error"]) == (401 if error == "invalid_client" else 400, error)
    assert set(refusal) == {"error", "error_description"}
    assert fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", refusal["error_description"])
    assert answer.headers["Content-Type"] == "application/json"
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
    assert answer.headers.get("WWW-Authenticate", "").startswith("Basic ") == (error == "invalid_client")


def test_a_form_that_is_too_long_or_no_form_is_refused(client: TestClient) -> None:
    assert post(client, f"{BOTH}{'x' * 5_000}").status_code in {400, 413}
    for kind in ("application/json", "text/plain", ""):
        assert post(client, "{}", kind=kind).status_code in {400, 415}


def test_a_database_that_is_away_is_no_wrong_secret(client: TestClient, settings: Settings) -> None:
    state: Any = client.app.state  # type: ignore[attr-defined]
    here, state.db = state.db, Database.open(settings.model_copy(update={"database_url": NOWHERE}))
    try:
        answer = post(client, BOTH)
    finally:
        state.db.close()
        state.db = here
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
