"""Tests that sealing continues after a dump is restored on a server whose transaction ids begin anew."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from app import ledger, logins
from app.clock import SystemClock
from app.db import Database, WriteSession
from app.ledger import sealer, sealing_repository, service, verification
from app.local import binaries, postgres
from tests.conftest import ADMIN, Superuser
from tests.ledger.conftest import Append


def seal_all(connection: "psycopg.Connection[tuple[object, ...]]") -> int:
    session, sealed = WriteSession(connection), 0
    sealing_repository.open_epoch(session)
    while count := sealer.seal(session, SystemClock()):
        sealed += count
        connection.commit()
    connection.commit()
    return sealed


@pytest.mark.slow
def test_sealing_goes_on_after_a_restore_on_another_server(
    db: Database, superuser: Superuser, superuser_url: str, append: Append, seal: Callable[[], int], tmp_path: Path
) -> None:
    for _ in range(2_000):  # this server's ids are far ahead of a new one's
        superuser.execute("SELECT pg_current_xact_id()")
    append("a", "b")
    seal()
    append("c")  # in the dump, but in no block
    programs = binaries.installed() / "bin"
    dump = subprocess.run([str(programs / "pg_dump"), superuser_url], capture_output=True, check=True).stdout
    with postgres.start(tmp_path / "other", durable=False) as other:
        other.create_database("restored")
        with psycopg.connect(other.url("restored"), autocommit=True) as admin:
            for role in (ADMIN, logins.OWNER, *logins.ROLES):
                admin.execute(f"CREATE ROLE {role}")
        restore = [str(programs / "psql"), "-q", "-v", "ON_ERROR_STOP=1", "-d", other.url("restored")]
        subprocess.run(restore, input=dump, capture_output=True, check=True)
        with psycopg.connect(other.url("restored")) as connection:
            session = WriteSession(connection)
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="restored from another server"):
                ledger.append(session, "orders", "too early", {})
            connection.rollback()
            assert seal_all(connection) == 1
            ledger.append(session, "orders", "a", {"after": "the restore"})
            connection.commit()
            assert seal_all(connection) == 1
            assert [(entry.version, entry.block) for entry in service.history(session, "orders", "a")] == [
                (0, 0),
                (1, 2),
            ]
            verdict = verification.verify(session)
            assert (verdict.fault, verdict.revisions, verdict.blocks) == (None, 4, 3)
