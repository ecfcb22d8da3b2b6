"""Readiness: a schema that this code supports, and a database that answers and accepts writes.

Runs beside all requests, in its own thread and with its own wait for a connection.
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
"""Seconds that a check waits for a connection of each pool; after that the pool counts as exhausted."""
CACHED_S = 1.0
LOST_AFTER_S = 10.0
"""Seconds after which a check is given up and another begins."""

_LOOK = f"SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean, ({REVISION})"


@dataclass(frozen=True)
class Look:
    """A check's result: the schema's revision, and what is wrong, '' if nothing."""

    revision: str
    wrong: str


class Readiness:
    def __init__(self, needed: str) -> None:
        """`needed` is the revision of the schema, which is numbered."""
        self._needed = needed
        self._lock = Lock()
        self._look: Future[Look] = Future()
        self._begun = float("-inf")
        self._was = ""

    async def revision(self, db: Database) -> str:
        """Return the schema's revision. Raises Unavailable, with what is wrong, within PATIENCE_S."""
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
        """Return the newest check: one at a time, and at most one in CACHED_S."""
        with self._lock:
            now = time.monotonic()
            lost = self._begun + LOST_AFTER_S < now
            if lost or (self._look.done() and self._begun + CACHED_S < now):
                self._look, self._begun = Future(), now
                self._begin(db, self._look)
            return self._look, self._begun

    def _begin(self, db: Database, look: Future[Look]) -> None:
        try:
            Thread(target=self._see, args=(db, look), name="readiness", daemon=True).start()
        except RuntimeError as lost:
            look.set_result(Look("", f"this process can't look at the database: {lost}"))

    def _see(self, db: Database, look: Future[Look]) -> None:
        try:
            look.set_result(_seen(db, self._needed))
        except UndefinedTable:
            look.set_result(Look("", f"the database has no schema yet, this code needs {self._needed}"))
        except PoolTimeout:
            look.set_result(Look("", f"no connection to the database could be had within {CONNECTION_S} s"))
        except Exception as lost:
            look.set_result(Look("", f"the database does not answer: {type(lost).__name__}"))

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
    # A newer schema is that of the code before a rollback: it expanded what this code works with.
    if revision is None or revision < needed:
        return Look("", f"the schema is at {revision or 'nothing'}, this code needs {needed}")
    return Look(revision, "")
