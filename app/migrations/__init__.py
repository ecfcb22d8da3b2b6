"""Migrate the database's schema with alembic, and grant the rights that `app.logins` declares."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from psycopg.errors import LockNotAvailable
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from app import locks
from app.errors import Misconfigured, Unavailable
from app.migrations import rights

# The baseline creates the schema of revision 0006, and replaces revisions 0001 to 0006.
BASELINE, LAST_BEFORE = "0007", "0006"
LOCK_WAIT_MS, PAUSE_S, TRIES = 500, 2.0, 60
TURN_S = 0.2


def upgrade(url: str) -> None:
    """Migrate the database at `url` (postgresql://…) to the newest schema, and grant and revoke rights.

    Does nothing if the schema is newer than this code, as after a rollback of the code. Raises Misconfigured if it is
    too old to migrate, Unavailable if tables stay locked.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        _await_turn(connection)
        revision = _revision(connection)
        _refuse_older(revision)
        if revision > head():
            return
        rights.make_roles(connection)
        if revision == LAST_BEFORE:
            connection.execute("UPDATE alembic_version SET version_num = %s", (BASELINE,))
        _run(_config(url))
        rights.settle(connection)


REVISION: LiteralString = "SELECT version_num FROM alembic_version"
"""SQL query of the revision of the database's schema; it fails if there is no schema."""


def head() -> str:
    """Return the newest alembic revision, whose schema this code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def current(url: str) -> str:
    """Return the alembic revision of the database's schema; '' without a schema."""
    with psycopg.connect(url) as connection:
        return _revision(connection)


def _await_turn(connection: psycopg.Connection[Any]) -> None:
    """Wait for the migration lock by polling, because a blocked statement would delay CREATE INDEX CONCURRENTLY."""
    while connection.execute("SELECT pg_try_advisory_lock(%s)", (locks.MIGRATING,)).fetchone() != (True,):
        time.sleep(TURN_S)


def _revision(connection: psycopg.Connection[Any]) -> str:
    if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
        return ""
    row = connection.execute(REVISION).fetchone()
    return str(row[0]) if row else ""


def _refuse_older(revision: str) -> None:
    if revision and (revision < LAST_BEFORE or not revision.isdecimal()):
        raise Misconfigured(
            f"the database's schema is {revision}, and only {LAST_BEFORE} and later ones are brought along: begin anew "
            f"with an empty database (on one machine: move .rewards away), or bring this one to {LAST_BEFORE} by a "
            f"commit from before schema {BASELINE}"
        )


def _run(config: Config) -> None:
    """Run migrations with short lock timeouts and retries, because a waiting ALTER TABLE blocks other statements."""
    for _ in range(TRIES):
        with suppress(LockNotAvailable), _plain_errors():
            command.upgrade(config, "head")
            return
        time.sleep(PAUSE_S)
    raise Unavailable("the migration waited in vain for a table that is in use; try again")


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Raise psycopg's errors instead of SQLAlchemy's errors that wrap them."""
    try:
        yield
    except DBAPIError as wrapped:
        raise wrapped.orig or wrapped from None


def _config(url: str = "") -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["lock_wait_ms"] = LOCK_WAIT_MS
    config.attributes["url"] = make_url(url).set(drivername="postgresql+psycopg") if url else None
    return config
