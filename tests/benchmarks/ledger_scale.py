"""Benchmark the ledger at 100,000 and 1,000,000 revisions: sealing, proofs and full verification.

`make bench-ledger` measures sealing at 10,000,000 revisions, which takes minutes and 8 GB of disk.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from statistics import median
from typing import Any

from psycopg import Connection
from rich.console import Console

from app.clock import SystemClock
from app.db import Database, WriteSession
from app.ledger import offline, proofs, sealer, verification
from app.ledger.models import canonical
from app.settings import Settings
from tests.benchmarks.ledger_append import DOCUMENT, ROUNDS
from tests.benchmarks.report import Result, at_least, at_most

SMALL, LARGE, LARGEST = 100_000, 1_000_000, 10_000_000
_A_TRANSACTION = 1_000
_MEASURED = 20  # blocks sealed for a measurement


def measure(url: str, small_url: str, console: Console, *, largest: bool) -> list[Result]:
    """Measure on two newly migrated databases, filled to different sizes; sealing is measured on both in turn."""
    db = Database.open(Settings(database_url=url, pool_size=1))
    try:
        return list(_measure(url, small_url, db, console, largest=largest))
    finally:
        db.close()


def _measure(url: str, small_url: str, db: Database, console: Console, *, largest: bool) -> Iterator[Result]:
    with sealer.connect(url) as connection, sealer.connect(small_url) as small_connection:
        session, small = WriteSession(connection), WriteSession(small_connection)
        _fill(small, SMALL, console)
        _fill(session, LARGEST if largest else LARGE, console)
        _settle(connection)
        ratio, floor = _sealing_over(session, small, console)
        if largest:
            yield at_most("sealing at 10,000,000 over 100,000", ratio, "×", 1.2, f"{floor:.1f} µs")
            return
        yield Result("sealing at 1,000,000 over 100,000", round(ratio, 2), "×", f"{floor:.1f} µs")
    yield at_most("prove and verify one of 1,000,000", median(_proving(db)) * 1_000, "ms", 5)
    yield at_least("full verify on one core", median(_verifying(db, console)), "1/s", 200_000)


def _settle(connection: Connection[Any]) -> None:
    """Vacuum now, so that autovacuum does not run during the measurement."""
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM (ANALYZE) journal_revisions")
    connection.autocommit = False


def _sealing_over(session: WriteSession, small: WriteSession, console: Console) -> tuple[float, float]:
    """Return the median ratio of both ledgers' sealing times, and the small ledger's microseconds per revision."""
    rounds = [(_sealing(session), _sealing(small)) for _ in range(ROUNDS)]
    for number, (above, below) in enumerate(rounds):
        console.print(f"round {number + 1}: sealing {above:.1f} µs a revision over {below:.1f}")
    return median(above / below for above, below in rounds), median(below for _, below in rounds)


def _fill(session: WriteSession, revisions: int, console: Console) -> None:
    """Append revisions in transactions of a thousand, and seal them, until the ledger has `revisions` of them."""
    begun, clock = time.perf_counter(), SystemClock()
    session.run("SET synchronous_commit = off")
    while (there := _sealed(session)) < revisions:
        for _ in range(min(50, (revisions - there) // _A_TRANSACTION + 1)):
            _insert(session)
        while sealer.seal(session, clock):
            session.connection.commit()
    console.print(f"{revisions:,} revisions after {time.perf_counter() - begun:.0f} s")


def _sealed(session: WriteSession) -> int:
    return int(session.value("SELECT coalesce(max(tree_size), 0) FROM journal_blocks"))


def _insert(session: WriteSession) -> None:
    session.run(
        """INSERT INTO journal_revisions (table_name, document_id, salt, data)
           SELECT 'orders', gen_random_uuid()::text, uuid_send(gen_random_uuid()), %s::json
           FROM generate_series(1, %s)""",
        (canonical(DOCUMENT).decode(), _A_TRANSACTION),
    )
    session.connection.commit()


def _sealing(session: WriteSession) -> float:
    """Return the median microseconds per revision of sealing blocks of a thousand revisions."""
    clock, spent = SystemClock(), []
    for _ in range(_MEASURED):
        _insert(session)
        begun = time.perf_counter()
        sealed = sealer.seal(session, clock)
        session.connection.commit()
        spent.append((time.perf_counter() - begun) / sealed * 1e6)
    return median(spent)


def _proving(db: Database) -> Iterator[float]:
    """Yield the seconds to find a revision, make its inclusion proof, and verify the proof with `offline.py`."""
    dice, clock = Random(1), SystemClock()
    with db.read() as session:
        starts = [row[0] for row in session.rows("SELECT tx_from FROM journal_blocks")]
        for start in dice.choices(starts, k=50):
            document = session.value("SELECT document_id FROM journal_revisions WHERE tx_id >= %s LIMIT 1", (start,))
            begun = time.perf_counter()
            made = canonical(proofs.proof(session, "orders", document, None, clock))
            proof = json.loads(made)
            assert document in offline.check_proof(proof, proof["digest"])
            yield time.perf_counter() - begun


def _verifying(db: Database, console: Console) -> Iterator[float]:
    """Verify the whole ledger with this process on one core; yield the revisions verified a second."""
    with _one_core():
        for _ in range(ROUNDS):
            with db.snapshot() as session:
                begun, busy = time.perf_counter(), time.process_time()
                verdict = verification.verify(session)
                seconds, busy = time.perf_counter() - begun, time.process_time() - busy
            assert verdict.fault is None
            console.print(f"verified {verdict.revisions:,} in {seconds:.1f} s, {busy:.1f} s of them this process")
            yield verdict.revisions / seconds


@contextmanager
def _one_core() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
