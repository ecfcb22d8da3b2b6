"""The sealer gives committed revisions their place in the tree and writes them as a chained block.

Ids are not commit order, so it never polls by id: it takes the revisions of transactions older than every one that
still runs (`pg_snapshot_xmin`), which can no longer grow. One sealer leads, by an advisory lock held on its own
connection; others stand by and lead as soon as that connection is gone.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from threading import Event
from typing import Any

import psycopg
import structlog
from psycopg import Connection, OperationalError

from app.clock import Clock
from app.db import WriteSession
from app.ledger import repository
from app.ledger.merkle import Tree, cover, leaf_hash
from app.ledger.models import Block, Unsealed, genesis

log = structlog.get_logger()

LEADER = 7_231_002
LEAVES_A_BLOCK = 2_048
STAND_BY_SECONDS = 0.5

# The server notices within a second that a leader's machine is gone, and lets its lock go.
_KEEPALIVES = "-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=1"


class Torn(Exception):
    """The end of the chain is not as it was sealed: nothing more is sealed on it."""


def connect(url: str) -> Connection[Any]:
    """A sealer's connection. A lost server or leader is noticed in time for another to take over."""
    return psycopg.connect(url, application_name="rewards-sealer", options=_KEEPALIVES, connect_timeout=2)


def run(connect: Callable[[], Connection[Any]], clock: Clock, every: timedelta, stop: Event) -> None:
    """Lead or stand by until `stop`; a lost database is waited for."""
    while not stop.is_set():
        try:
            with connect() as connection:
                _lead(connection, clock, every, stop)
        except (OperationalError, Torn) as lost:
            log.warning("the sealer waits", error=str(lost).strip())
            stop.wait(STAND_BY_SECONDS)


def _lead(connection: Connection[Any], clock: Clock, every: timedelta, stop: Event) -> None:
    session = WriteSession(connection)
    leads = False
    while not stop.is_set():
        if not leads and repository.try_lead(session, LEADER):
            repository.open_epoch(session)
            leads = True
        connection.commit()
        sealed = seal(session, clock) if leads else 0
        connection.commit()
        if sealed < LEAVES_A_BLOCK // 2:  # a full block is cut before its last transaction
            stop.wait(every.total_seconds() if leads else STAND_BY_SECONDS)


def seal(session: WriteSession, clock: Clock) -> int:
    """Write the next block, if anything has been committed since the last; how many revisions it sealed.

    Raises Torn where the last block is not what the stored tree or the server's transactions say.
    """
    last = repository.last_block(session)
    since, before = last.tx_before if last else 0, repository.horizon(session)
    if before < since:
        raise Torn(f"block {last and last.sequence} has transactions that this server never ran")
    revisions = repository.unsealed(session, since, before, LEAVES_A_BLOCK + 1)
    if len(revisions) > LEAVES_A_BLOCK:
        revisions, before = _whole_transactions(session, revisions, since)
    if revisions:
        _write(session, last, revisions, before, clock)
    return len(revisions)


def _whole_transactions(session: WriteSession, revisions: list[Unsealed], since: int) -> tuple[list[Unsealed], int]:
    """Cut a full batch before its last transaction, of which it may hold only a part."""
    before = revisions[-1].tx_id
    whole = [revision for revision in revisions if revision.tx_id != before]
    return (whole, before) if whole else (repository.unsealed(session, since, before + 1, None), before + 1)


def _write(session: WriteSession, last: Block | None, revisions: list[Unsealed], before: int, clock: Clock) -> None:
    counts: dict[tuple[str, str], int] = {}
    versions = [_next_version(revision, counts) for revision in revisions]
    tree, nodes = _tree(session, last).grown([_leaf(*pair) for pair in zip(revisions, versions, strict=True)])
    draft = Block(
        sequence=last.sequence + 1 if last else 0,
        first_leaf=last.tree_size if last else 0,
        tree_size=tree.size,
        tx_from=last.tx_before if last else 0,
        tx_before=before,
        sealed_at=clock.now(),
        root=tree.root(),
        previous_hash=last.hash if last else genesis(repository.ledger_id(session)),
        hash=b"",
        nodes=nodes,
        versions=b"".join(versions),
    )
    revised = {document: count for document, count in counts.items() if count > 1}
    repository.insert_block(session, replace(draft, hash=draft.computed_hash()), revised)


def _next_version(revision: Unsealed, counts: dict[tuple[str, str], int]) -> bytes:
    document = (revision.table_name, revision.document_id)
    version = counts.get(document, revision.earlier)
    counts[document] = version + 1
    return version.to_bytes(4)


def _leaf(revision: Unsealed, version: bytes) -> bytes:
    inner = revision.data_hash if revision.body is None else sha256(revision.body).digest()
    assert inner is not None  # noqa: S101  a constraint says so
    return leaf_hash(revision.metadata + version + inner)


def _tree(session: WriteSession, last: Block | None) -> Tree:
    if last is None:
        return Tree()
    tree = Tree(last.tree_size, tuple(repository.nodes(session, cover((0, last.tree_size)))))
    if tree.root() != last.root:
        raise Torn(f"block {last.sequence} does not have the root of its tree: run `rewards ledger verify`")
    return tree
