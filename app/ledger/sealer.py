"""The sealer adds committed revisions to the Merkle tree, and writes blocks, each chained to the block before.

Transactions don't commit in the order of their ids, so the sealer takes only revisions of transactions with lower ids
than all running ones (`pg_snapshot_xmin`). One sealer leads, by an advisory lock on its own connection; others stand by
and take over when that connection ends.

Block times never decrease: if the clock is behind the last block's time, the next block gets that time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg
from psycopg import Connection

from app import locks
from app.clock import Clock
from app.db import WriteSession
from app.ledger import repository, sealing_repository
from app.ledger.merkle import Tree, cover, leaf_hash
from app.ledger.models import Block, Unsealed, genesis
from app.loops import Pulse

LEAVES_A_BLOCK = 2_048
STAND_BY_SECONDS = 0.5

_OPTIONS = (
    # Statistics lag behind a table that grows by thousands a second: a plan made while it was small reads all of it.
    "-c plan_cache_mode=force_custom_plan -c enable_seqscan=off -c enable_bitmapscan=off -c enable_sort=off "
    # The server notices within two seconds that a leader's machine is gone, and releases its lock.
    "-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=1 "
    "-c lock_timeout=5s -c statement_timeout=6s -c idle_in_transaction_session_timeout=10s"
)
CONNECT_S = LOAD_S = 30.0
"""Seconds allowed for connecting, and for a new leader's first load from a server with cold caches."""


Check = Callable[[WriteSession, int], None]
"""Raises if no blocks may be added to the ledger, whose tree has this many revisions."""


class Torn(Exception):
    """Raised if the stored chain's last block does not verify; no further block is added then."""


def connect(url: str) -> Connection[Any]:
    """Open a sealer's connection, with short timeouts: it must fail soon if the database's machine is gone."""
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


def run(
    connect: Callable[[], Connection[Any]],
    clock: Clock,
    every: timedelta,
    pulse: Pulse,
    check: Check = lambda _session, _size: None,
) -> None:
    """Open a connection, wait for the sealing lock, then write a block at each interval, until the loop is stopped.

    Calls `check` once it has the lock, before the first block.
    """
    pulse.beat(CONNECT_S)
    with connect() as connection:
        pulse.beat()
        _lead(connection, clock, every, pulse, check)


def _lead(connection: Connection[Any], clock: Clock, every: timedelta, pulse: Pulse, check: Check) -> None:
    session, chain = WriteSession(connection), None
    while not pulse.stopping:
        pulse.beat()
        if chain is None and repository.lock_if_free(session, locks.SEALING):
            pulse.beat(LOAD_S)
            sealing_repository.open_epoch(session)
            chain = _load(session)
            check(session, chain.tree.size)
            pulse.beat()
        connection.commit()
        begun, sealed = time.monotonic(), 0
        if chain:
            with connection.pipeline():  # only two round trips: a busy server delays each of them
                chain, sealed = _extend(session, chain, clock)
                pulse.beat()  # each statement may take nearly as long as the limit
                connection.commit()
        rest = every.total_seconds() - (time.monotonic() - begun) if chain else STAND_BY_SECONDS
        pulse.rest(rest if sealed < LEAVES_A_BLOCK // 2 else 0)  # a full block is cut before its last transaction


@dataclass(frozen=True)
class _Chain:
    """The end of the chain of blocks, kept in memory by the leading sealer: no other process adds blocks."""

    next_block: int
    tx_from: int
    sealed_at: datetime
    hash: bytes
    tree: Tree


def seal(session: WriteSession, clock: Clock) -> int:
    """Write the next block if there are unsealed revisions; return the number of revisions in it.

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
    """Cut off a batch's last transaction, which may be incomplete; return the rest, and where to resume (tx_id)."""
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
