"""The sealer assigns committed revisions their positions in the tree and writes them as a chained block.

Ids are not in commit order, so it never polls by id: it takes the revisions of transactions older than every running
one (`pg_snapshot_xmin`). One sealer leads, by an advisory lock on its own connection; others stand by and take over
when that connection ends.

Block times never decrease: if the clock is behind the last block's time, the next block gets that time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from threading import Event
from typing import Any

import psycopg
from psycopg import Connection

from app import locks, loops
from app.clock import Clock
from app.db import WriteSession
from app.ledger import repository, sealing_repository
from app.ledger.merkle import Tree, cover, leaf_hash
from app.ledger.models import Block, Unsealed, genesis
from app.loops import Loop, Pulse

LEAVES_A_BLOCK = 2_048
STAND_BY_SECONDS = 0.5
LIMIT_S = 8.0
"""Seconds without a heartbeat after which the sealing loop counts as stuck."""

_OPTIONS = " ".join(
    f"-c {option}"
    for option in (
        # Statistics lag behind a table that grows by thousands a second: a plan from when it was small reads all of it.
        *("plan_cache_mode=force_custom_plan", "enable_seqscan=off", "enable_bitmapscan=off", "enable_sort=off"),
        # The server notices within two seconds that a leader's machine is gone, and lets its lock go.
        *("tcp_keepalives_idle=1", "tcp_keepalives_interval=1", "tcp_keepalives_count=1"),
        *("lock_timeout=5s", "statement_timeout=6s", "idle_in_transaction_session_timeout=10s"),
    )
)


CONNECT_S = LOAD_S = 30.0
"""Seconds allowed for connecting, and for a new leader's first load from a server with cold caches."""


class Torn(Exception):
    """The end of the chain does not verify, so nothing more is sealed on it."""


def connect(url: str) -> Connection[Any]:
    """Open a sealer's connection, with timeouts so short that another sealer takes over from a lost server."""
    return psycopg.connect(
        url,
        application_name="rewards-sealer",
        options=_OPTIONS,
        connect_timeout=2,
        keepalives_idle=2,
        keepalives_interval=1,
        keepalives_count=3,
        tcp_user_timeout=5_000,  # milliseconds
    )


def run(connect: Callable[[], Connection[Any]], clock: Clock, every: timedelta, stop: Event) -> None:
    """Lead or stand by until `stop`, reconnecting to a lost database. Raises LoopDied for a permanent error."""
    loops.run([Loop("sealing", sealing(connect, clock, every), LIMIT_S)], stop)


def sealing(connect: Callable[[], Connection[Any]], clock: Clock, every: timedelta) -> Callable[[Pulse], None]:
    """Return the loop that leads or stands by, on its own connection."""

    def seal_until_stopped(pulse: Pulse) -> None:
        pulse.beat(CONNECT_S)
        with connect() as connection:
            pulse.beat()
            _lead(connection, clock, every, pulse)

    return seal_until_stopped


def _lead(connection: Connection[Any], clock: Clock, every: timedelta, pulse: Pulse) -> None:
    session, chain = WriteSession(connection), None
    while not pulse.stopping:
        pulse.beat()
        if chain is None and repository.lock_if_free(session, locks.SEALING):
            pulse.beat(LOAD_S)
            sealing_repository.open_epoch(session)
            chain = _load(session)
            pulse.beat()
        connection.commit()
        begun, sealed = time.monotonic(), 0
        if chain:
            with connection.pipeline():  # a tick is two round trips, which is what a busy server makes wait
                chain, sealed = _extend(session, chain, clock)
                pulse.beat()  # each statement may take nearly as long as the limit
                connection.commit()
        rest = every.total_seconds() - (time.monotonic() - begun) if chain else STAND_BY_SECONDS
        pulse.rest(rest if sealed < LEAVES_A_BLOCK // 2 else 0)  # a full block is cut before its last transaction


@dataclass(frozen=True)
class _Chain:
    """The end of the chain, cached by the leader, which alone writes."""

    next_block: int
    tx_from: int
    sealed_at: datetime
    hash: bytes
    tree: Tree


def seal(session: WriteSession, clock: Clock) -> int:
    """Write the next block if anything was committed since the last; return how many revisions it sealed.

    Raises Torn if the last block contradicts the stored tree or the server's transaction ids.
    """
    return _extend(session, _load(session), clock)[1]


def _load(session: WriteSession) -> _Chain:
    last = repository.last_block(session)
    if last is None:
        return _Chain(0, 0, datetime.min.replace(tzinfo=UTC), genesis(repository.ledger_id(session)), Tree())
    tree = Tree(last.tree_size, tuple(repository.nodes(session, cover((0, last.tree_size)))))
    if tree.root() != last.root:
        raise Torn(f"block {last.sequence} does not have the root of its tree: run `rewards ledger verify`")
    if sealing_repository.horizon(session) < last.tx_before:
        raise Torn(f"block {last.sequence} has transactions that this server never ran")
    return _Chain(last.sequence + 1, last.tx_before, last.sealed_at, last.hash, tree)


def _extend(session: WriteSession, chain: _Chain, clock: Clock) -> tuple[_Chain, int]:
    revisions = sealing_repository.unsealed(session, chain.tx_from, LEAVES_A_BLOCK + 1)
    if not revisions:
        return chain, 0
    before = revisions[0].horizon
    if len(revisions) > LEAVES_A_BLOCK:
        revisions, before = _whole_transactions(session, revisions, chain.tx_from)
    return _write(session, chain, revisions, before, clock), len(revisions)


def _whole_transactions(session: WriteSession, revisions: list[Unsealed], since: int) -> tuple[list[Unsealed], int]:
    """Drop a full batch's last transaction, of which it may hold only a part."""
    before = revisions[-1].tx_id
    whole = [revision for revision in revisions if revision.tx_id != before]
    return (whole, before) if whole else (sealing_repository.unsealed(session, since, None, before + 1), before + 1)


def _write(session: WriteSession, chain: _Chain, revisions: list[Unsealed], before: int, clock: Clock) -> _Chain:
    counts: dict[tuple[str, str], int] = {}
    versions = [_next_version(revision, counts) for revision in revisions]
    tree, nodes = chain.tree.grown([_leaf(*pair) for pair in zip(revisions, versions, strict=True)])
    draft = Block(
        sequence=chain.next_block,
        first_leaf=chain.tree.size,
        tree_size=tree.size,
        tx_from=chain.tx_from,
        tx_before=before,
        sealed_at=max(chain.sealed_at, clock.now()),
        root=tree.root(),
        previous_hash=chain.hash,
        hash=b"",
        nodes=nodes,
        versions=b"".join(versions),
    )
    block = replace(draft, hash=draft.computed_hash())
    revised = {document: count for document, count in counts.items() if count > 1}
    repository.insert_block(session, block, revised)
    return _Chain(block.sequence + 1, before, block.sealed_at, block.hash, tree)


def _next_version(revision: Unsealed, counts: dict[tuple[str, str], int]) -> bytes:
    document = (revision.table_name, revision.document_id)
    version = counts.get(document, revision.earlier)
    counts[document] = version + 1
    return version.to_bytes(4)


def _leaf(revision: Unsealed, version: bytes) -> bytes:
    inner = revision.data_hash if revision.body is None else sha256(revision.body).digest()
    assert inner is not None  # noqa: S101  a constraint says so
    return leaf_hash(revision.metadata + version + inner)
