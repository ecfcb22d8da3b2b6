"""The sealer gives committed revisions their sequence and writes them as a chained block.

Ids are not commit order, so it never polls by id: it takes the revisions of transactions older than every one that
still runs (`pg_snapshot_xmin`), which can no longer grow. One sealer leads, by an advisory lock held on its own
connection; others stand by and lead as soon as that connection is gone.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from threading import Event
from typing import Any

import structlog
from psycopg import Connection, OperationalError

from app.clock import Clock
from app.db import WriteSession
from app.ledger import repository
from app.ledger.merkle import Frontier, leaf_hash
from app.ledger.models import Block, Revision
from app.ledger.service import GENESIS

log = structlog.get_logger()

LEADER = 7_231_002
LEAVES_A_BLOCK = 10_000
STAND_BY_SECONDS = 1.0


def run(connect: Callable[[], Connection[Any]], clock: Clock, every: timedelta, stop: Event) -> None:
    """Lead or stand by until `stop`; a lost database is waited for."""
    while not stop.is_set():
        try:
            with connect() as connection:
                _lead(connection, clock, every, stop)
        except OperationalError as lost:
            log.warning("sealer lost the database", error=str(lost).strip())
            stop.wait(STAND_BY_SECONDS)


def _lead(connection: Connection[Any], clock: Clock, every: timedelta, stop: Event) -> None:
    session = WriteSession(connection)
    leads = False
    while not stop.is_set():
        leads = leads or repository.try_lead(session, LEADER)
        connection.commit()
        sealed = seal(session, clock) if leads else 0
        connection.commit()
        if sealed < LEAVES_A_BLOCK:
            stop.wait(every.total_seconds() if leads else STAND_BY_SECONDS)


def seal(session: WriteSession, clock: Clock) -> int:
    """Write the next block, if anything has been committed since the last; how many revisions it sealed."""
    last = repository.last_block(session)
    since = last.sealed_before if last else "0"
    before = repository.horizon(session)
    revisions = repository.unsealed(session, since, before, LEAVES_A_BLOCK + 1)
    if len(revisions) > LEAVES_A_BLOCK:
        revisions, before = _whole_transactions(revisions)
    if revisions:
        _write(session, last, revisions, before, clock)
    return len(revisions)


def _whole_transactions(revisions: list[Revision]) -> tuple[list[Revision], str]:
    """Cut a full batch before its last transaction, of which it may hold only a part."""
    before = revisions[-1].tx_id
    whole = [revision for revision in revisions if revision.tx_id != before]
    return whole, before


def _write(session: WriteSession, last: Block | None, revisions: list[Revision], before: str, clock: Clock) -> None:
    sequence = last.sequence + 1 if last else 0
    frontier = Frontier.unpack(last.tree_size, last.frontier) if last else Frontier()
    versions = Counter(repository.versions(session, {(r.table_name, r.document_id) for r in revisions}))
    leaves = []
    for place, revision in enumerate(revisions, start=frontier.size):
        document = (revision.table_name, revision.document_id)
        version = versions[document]
        versions[document] += 1
        leaves.append((place, revision.revision_id, sequence, version, leaf_hash(revision.leaf(version))))
    grown = frontier.extended([leaf[-1] for leaf in leaves])
    draft = Block(
        sequence=sequence,
        first_leaf=frontier.size,
        tree_size=grown.size,
        sealed_before=before,
        sealed_at=clock.now(),
        root=grown.root(),
        frontier=grown.pack(),
        previous_hash=last.hash if last else GENESIS,
        hash=b"",
    )
    block = Block(**{**draft.__dict__, "hash": draft.computed_hash()})
    repository.insert_block(session, block, leaves)
