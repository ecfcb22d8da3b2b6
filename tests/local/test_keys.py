"""Tests of the signing keys on one machine: the API accepts a token only by a known key and for its issuer's roles."""

import asyncio
import stat
import time
from itertools import product
from pathlib import Path
from uuid import uuid4

import pytest

from app.auth import Tokens
from app.errors import Misconfigured, NotAuthenticated
from app.local import keys
from app.local.keys import Keys
from app.signing import Role


def test_each_issuer_gives_its_own_roles_and_no_others(tmp_path: Path) -> None:
    signing_keys, subject = keys.make(tmp_path), uuid4()
    tokens = Tokens(signing_keys.issuers())
    for issuer, role in product(Role, Role):
        token = signing_keys.signer(issuer).token(subject, role, time.time(), 300)
        caller = asyncio.run(tokens.caller(token))
        may = (issuer is Role.VENDOR) == (role is Role.VENDOR)
        assert (caller.subject, caller.roles) == (subject, frozenset({role} if may else ()))


def test_another_folders_keys_are_no_good_here(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    here, there = keys.make(tmp_path / "here"), keys.make(tmp_path / "there")
    for role in Role:
        with pytest.raises(NotAuthenticated):
            asyncio.run(Tokens(here.issuers()).caller(there.signer(role).token(uuid4(), role, time.time(), 900)))


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    first = keys.make(tmp_path)
    before = [first.private.read_bytes(), first.people.read_bytes()]
    assert keys.make(tmp_path) == first
    assert [first.private.read_bytes(), first.people.read_bytes()] == before
    for private, public in ((first.private, first.public), (first.people, first.people_public)):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
        assert b"PRIVATE" not in public.read_bytes()


@pytest.mark.parametrize("role", Role)
def test_signing_before_the_first_start_is_refused(tmp_path: Path, role: Role) -> None:
    with pytest.raises(Misconfigured, match=r"(signing|people)\.pem"):
        Keys.of(tmp_path).signer(role)
