"""Tests of vendors' signing key: read from a file or an AWS secret, and published as a JWK set."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from fastapi.testclient import TestClient

from app.errors import Misconfigured
from app.ids import new_id
from app.local.keys import Keys
from app.signing import AUDIENCE, Role, Signer


@pytest.fixture
def secret(cloud: Callable[[str], Any], in_the_cloud: None) -> Callable[[str], str]:
    """Return a function that stores a text as an AWS secret and returns its ARN."""
    return lambda text: cloud("secretsmanager").create_secret(Name=f"s-{uuid4()}", SecretString=text)["ARN"]


def test_a_key_in_a_secret_signs_as_the_one_in_a_file_does(issuer_keys: Keys, secret: Callable[[str], str]) -> None:
    arn = secret(json.dumps({"private_key": issuer_keys.private.read_text()}))
    signer = Signer.read(None, "rewards", arn)
    assert signer.jwks() == Signer.read(issuer_keys.private, "rewards").jwks()
    assert signer.token(new_id(), Role.VENDOR, 0, 900)


@pytest.mark.parametrize("text", ["", "{}", '{"private_key": "none"}', "[]"])
def test_a_secret_without_a_key_is_refused(secret: Callable[[str], str], text: str) -> None:
    with pytest.raises(Misconfigured, match="signing key"):
        Signer.read(None, "rewards", secret(text or " "))


def test_no_key_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="REWARDS_SIGNING_KEY"):
        Signer.read(None, "rewards")
    with pytest.raises(Misconfigured, match="can't be read"):
        Signer.read(tmp_path / "none.pem", "rewards")


def test_the_published_key_checks_a_vendors_token(client: TestClient, issuer_keys: Keys) -> None:
    [key] = client.get("/oauth/jwks.json").json()["keys"]
    assert not set(key) & {"d", "p", "q"}
    token = Signer.read(issuer_keys.private, "rewards").token(new_id(), Role.VENDOR, 4_000_000_000, 900)
    options: Any = {"verify_iat": False}
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["RS256"], audience=AUDIENCE, options=options)
    assert claims["cognito:groups"] == ["vendor"]
