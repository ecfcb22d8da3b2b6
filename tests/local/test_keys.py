"""The local issuer's keys, used as the API uses them: a token verifies with the published ones only."""

import stat
import time
from pathlib import Path
from uuid import uuid4

import jwt
import pytest

from app.errors import Misconfigured
from app.local import keys
from app.local.keys import Keys
from app.signing import Role


def test_token_verifies_against_the_published_keys(tmp_path: Path) -> None:
    made, subject = keys.make(tmp_path), uuid4()
    token = made.signer().token(subject, Role.ANALYST, time.time(), 300)
    published = jwt.PyJWKSet.from_json(made.public.read_text())
    claims = jwt.decode(
        token,
        published[jwt.get_unverified_header(token)["kid"]],
        algorithms=["RS256"],
        audience="rewards",
        issuer="rewards",
    )
    assert claims["sub"] == str(subject)
    assert claims["cognito:groups"] == ["analyst"]
    assert claims["exp"] - claims["iat"] == 300


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    first = keys.make(tmp_path)
    before = first.private.read_bytes()
    assert keys.make(tmp_path) == first
    assert first.private.read_bytes() == before
    assert stat.S_IMODE(first.private.stat().st_mode) == 0o600
    assert b"PRIVATE" not in first.public.read_bytes()


def test_signing_before_the_first_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"signing\.pem"):
        Keys.of(tmp_path).signer()
