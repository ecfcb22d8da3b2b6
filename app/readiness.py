"""The readiness check: the database answers, accepts writes, and has a schema that this code supports.

It runs in a thread of its own, with its own timeout for a connection, so that busy requests don't delay it.
"""

import asyncio
import time
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock, Thread

import structlog
from psycopg.errors import UndefinedTable
from psycopg_pool import PoolTimeout

from app.db import Database
from app.errors import Unavailable
from app.migrations import REVISION

log = structlog.get_logger()

PATIENCE_S = 1.8
CONNECTION_S = 0.8
"""Seconds that a check waits for a connection of each pool, before it counts as exhausted."""
CACHED_S = 1.0
LOST_AFTER_S = 10.0
"""Seconds after which a check is abandoned and another begins."""

_LOOK = f"SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean, ({REVISION})"


@dataclass(frozen=True)
class Look:
    """The result of a readiness check: the schema's revision, and the reason for not being ready ('' if ready)."""

    revision: str
    wrong: str


class Readiness:
    """Runs the readiness check for the health endpoint, at most once in CACHED_S."""

    def __init__(self, needed: str) -> None:
        """`needed` is the schema's oldest revision that this code supports."""
        self._needed = needed
        self._lock = Lock()
        self._look: Future[Look] = Future()
        self._begun = float("-inf")
        self._was = ""

    async def revision(self, db: Database) -> str:
        """Return the schema's revision if the database is ready, within PATIENCE_S. Raises Unavailable if not."""
        look, begun = self._newest(db)
        rest = begun + PATIENCE_S - time.monotonic()
        if not look.done() and rest > 0:
            await asyncio.wait([asyncio.wrap_future(look)], timeout=rest)
        seen = look.result() if look.done() else Look("", f"the database did not answer within {PATIENCE_S} s")
        self._tell(seen.wrong)
        if seen.wrong:
            raise Unavailable(seen.wrong)
        return seen.revision

    def _newest(self, db: Database) -> tuple[Future[Look], float]:
        """Return the latest readiness check and its start time; a new one is started if the last is too old."""
        with self._lock:
            now = time.monotonic()
            is_abandoned = self._begun + LOST_AFTER_S < now
            if is_abandoned or (self._look.done() and self._begun + CACHED_S < now):
                self._look, self._begun = Future(), now
                self._begin(db, self._look)
            return self._look, self._begun

    def _begin(self, db: Database, look: Future[Look]) -> None:
        try:
            Thread(target=self._see, args=(db, look), name="readiness", daemon=True).start()
        except RuntimeError as error:
            look.set_result(Look("", f"this process can't look at the database: {error}"))

    def _see(self, db: Database, look: Future[Look]) -> None:
        try:
            look.set_result(_seen(db, self._needed))
        except UndefinedTable:
            look.set_result(Look("", f"the database has no schema yet, this code needs {self._needed}"))
        except PoolTimeout:
            look.set_result(Look("", f"no connection to the database could be had within {CONNECTION_S} s"))
        except Exception as error:
            look.set_result(Look("", f"the database does not answer: {type(error).__name__}"))

    def _tell(self, wrong: str) -> None:
        if wrong != self._was:
            log.warning("not ready", error=wrong) if wrong else log.info("ready again")
        self._was = wrong


def _seen(db: Database, needed: str) -> Look:
    with db.writer.connection(CONNECTION_S) as connection:
        read_only, revision = connection.execute(_LOOK).fetchone() or (True, None)
    with db.reader.connection(CONNECTION_S) as connection:
        connection.execute("SELECT")
    if read_only:
        return Look("", "the database is read-only")
    # A newer schema, of the code before a rollback, only adds to the one that this code needs.
    if revision is None or revision < needed:
        return Look("", f"the schema is at {revision or 'nothing'}, this code needs {needed}")
    return Look(revision, "")
