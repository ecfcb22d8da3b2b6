"""Client credentials, and the tokens that they give."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from app.ids import new_id
from app.vendors.models import VendorState

Brought = Callable[[VendorState], tuple[str, Any]]


def ask(client: TestClient, client_id: str, secret: str, **more: str) -> Response:
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, **more}
    return client.post("/oauth/token", data=form)


def test_credentials_give_a_token_of_the_vendor(client: TestClient, apply: Callable[..., Response]) -> None:
    said = apply().json()
    answer = ask(client, said["client_id"], said["client_secret"])
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 900)
    assert answer.headers["Cache-Control"] == "no-store"
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert client.get(f"/vendors/{said['vendor_id']}", headers=headers).json()["state"] == "applied"
    assert client.get("/vendors", headers=headers).status_code == 403


def test_what_does_not_fit_is_refused_alike(client: TestClient, apply: Callable[..., Response]) -> None:
    said = apply().json()
    rejected = apply(email="me@gmail.com").json()
    answers = [
        ask(client, said["client_id"], said["client_secret"] + "x"),
        ask(client, said["client_id"], "é"),
        ask(client, str(new_id()), said["client_secret"]),
        ask(client, "nobody", said["client_secret"]),
        ask(client, rejected["client_id"], "anything"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1


def test_a_vendor_rejected_later_gets_no_token(client: TestClient, apply: Callable[..., Response], admin: Any) -> None:
    said = apply().json()
    admin.post(f"/vendors/{said['vendor_id']}/transitions", {"to": "rejected", "reasons": ["A test"]})
    assert ask(client, said["client_id"], said["client_secret"]).status_code == 401
    assert admin.post(f"/vendors/{said['vendor_id']}/credentials", {}).status_code == 409


@pytest.mark.parametrize("by_admin", [True, False])
def test_a_new_secret_ends_the_old_one(
    client: TestClient, apply: Callable[..., Response], admin: Any, caller: Callable[..., Any], by_admin: bool
) -> None:
    said = apply().json()
    token = ask(client, said["client_id"], said["client_secret"]).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"} if not by_admin else admin.headers
    path, key = f"/vendors/{said['vendor_id']}/credentials", {"Idempotency-Key": "k"}
    fresh = client.post(path, headers={**headers, **key})
    again = client.post(path, headers={**headers, **key})
    assert fresh.status_code == 201
    assert again.json() == {**fresh.json(), "client_secret": None}
    assert ask(client, said["client_id"], said["client_secret"]).status_code == 401
    assert ask(client, said["client_id"], fresh.json()["client_secret"]).status_code == 200


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"grant_type": "password", "client_id": "a", "client_secret": "b"},
        {"grant_type": "client_credentials", "client_id": "a"},
        {"grant_type": "client_credentials", "client_id": "a", "client_secret": "x" * 5000},
    ],
)
def test_a_form_that_is_not_of_client_credentials_is_refused(client: TestClient, form: dict[str, str]) -> None:
    answer = client.post("/oauth/token", data=form)
    assert answer.status_code == 422
    assert "x" * 300 not in answer.text
