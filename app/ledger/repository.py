"""All SQL of the ledger's revisions and blocks."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, LiteralString, TypeVar
from uuid import UUID

import orjson

from app.db import Parameters, Session, WriteSession, as_json
from app.ledger.merkle import Node, completed_by
from app.ledger.models import Block, HistoryEntry, Revision, Sealed, Status

_REVISION = "r.tx_id, r.revision_id, r.tx_time, r.table_name, r.document_id, r.salt, json_send(r.data), r.data_hash"
_BLOCK: LiteralString = """
    sequence, first_leaf, tree_size, tx_from, tx_before, sealed_at, root, previous_hash, hash, nodes, versions
"""
_STRAND: LiteralString = """
    (SELECT s.strand FROM journal_strands s WHERE s.first_block <= sequence
     ORDER BY s.first_block DESC, s.opened_at DESC, s.strand DESC LIMIT 1) AS strand
"""
Row = TypeVar("Row")


def ledger_id(session: Session) -> UUID:
    ledger: UUID = session.value("SELECT ledger_id FROM journal_ledger")
    return ledger


# ── appending and reading ───────────────────────────────────────────────────────────────────────────────────────────


def insert(session: WriteSession, table: str, documents: Sequence[tuple[str, bytes, bytes]]) -> None:
    """Insert a revision of each document (id, salt, JSON); the JSON is stored byte for byte."""
    if len(documents) == 1:
        ((document_id, salt, data),) = documents
        session.run(
            "INSERT INTO journal_revisions (table_name, document_id, salt, data) VALUES (%s, %s, %b, %s)",
            (table, document_id, salt, data.decode()),
        )
        return
    rows = [
        {"table_name": table, "document_id": document_id, "salt": f"\\x{salt.hex()}", "data": orjson.Fragment(data)}
        for document_id, salt, data in documents
    ]
    session.run(
        """INSERT INTO journal_revisions (table_name, document_id, salt, data)
           SELECT table_name, document_id, salt, data FROM json_populate_recordset(NULL::journal_revisions, %s)""",
        (as_json(rows),),
    )


def history(
    session: Session,
    table: str,
    document_id: str,
    since: datetime | None = None,
    until: datetime | None = None,
    after: int | None = None,
    limit: int | None = None,
) -> list[HistoryEntry]:
    """Return a document's revisions after version `after`, whose transactions began in [since, until); oldest first."""
    return session.all(
        HistoryEntry,
        """WITH every AS (
               SELECT tx_id, revision_id, tx_time, data,
                      (row_number() OVER (ORDER BY tx_id, revision_id) - 1)::int AS version
               FROM journal_revisions WHERE document_id = %(document)s AND table_name = %(table)s
           )
           SELECT e.tx_id::text, e.tx_time, e.version, e.data,
                  (SELECT b.sequence FROM journal_blocks b WHERE b.tx_before > e.tx_id
                   ORDER BY b.tx_before LIMIT 1) AS block
           FROM every e
           WHERE (%(since)s::timestamptz IS NULL OR e.tx_time >= %(since)s)
             AND (%(until)s::timestamptz IS NULL OR e.tx_time < %(until)s)
             AND (%(after)s::bigint IS NULL OR e.version > %(after)s)
           ORDER BY e.tx_id, e.revision_id LIMIT %(limit)s""",
        {"table": table, "document": document_id, "since": since, "until": until, "after": after, "limit": limit},
    )


def revision(session: Session, table: str, document_id: str, version: int | None) -> tuple[Revision, int] | None:
    """Return a document's revision and version, the newest if `version` is None; None if there is no such revision."""
    rows = session.rows(
        f"""SELECT {_REVISION}, r.version::int
            FROM (SELECT *, row_number() OVER (ORDER BY tx_id, revision_id) - 1 AS version, count(*) OVER () AS versions
                  FROM journal_revisions WHERE document_id = %s AND table_name = %s) AS r
            WHERE r.version = coalesce(%s, r.versions - 1)""",
        (document_id, table, version),
    )
    return (Revision(*rows[0][:-1]), rows[0][-1]) if rows else None


def histories(session: Session, table: str, document_ids: Sequence[str]) -> list[tuple[str, Any]]:
    """Return (document id, data) of every revision of the documents, oldest first."""
    return session.rows(
        """SELECT document_id, data FROM journal_revisions WHERE document_id = ANY(%s) AND table_name = %s
           ORDER BY tx_id, revision_id""",
        (list(document_ids), table),
    )


def place(session: Session, block: Block, revision: Revision) -> int:
    """Return how many of the block's revisions precede this one."""
    return int(
        session.value(
            "SELECT count(*) FROM journal_revisions WHERE tx_id >= %s AND (tx_id, revision_id) < (%s, %s)",
            (block.tx_from, revision.tx_id, revision.revision_id),
        )
    )


def status(session: Session) -> Status:
    totals = session.one(
        Status,
        """SELECT (SELECT ledger_id FROM journal_ledger), sealed + waiting AS revisions, sealed, blocks,
                  coalesce(extract(epoch FROM clock_timestamp() - oldest), 0)::float8 AS oldest_unsealed_seconds
           FROM (SELECT coalesce(max(tree_size), 0) AS sealed, coalesce(max(sequence) + 1, 0) AS blocks,
                        coalesce(max(tx_before), 0) AS tx_before FROM journal_blocks) AS b,
           LATERAL (SELECT count(*) AS waiting, min(tx_time) AS oldest
                    FROM journal_revisions WHERE tx_id >= b.tx_before) AS w""",
    )
    assert totals is not None  # noqa: S101  an aggregate always gives a row
    return totals


# ── blocks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def last_block(session: Session) -> Block | None:
    return _block(session, "ORDER BY sequence DESC LIMIT 1", ())


def block(session: Session, sequence: int) -> Block | None:
    return _block(session, "WHERE sequence = %s", (sequence,))


def block_of_transaction(session: Session, tx_id: int) -> Block | None:
    """Return the block with a transaction's revisions, None if they are not sealed yet."""
    return _block(session, "WHERE tx_before > %s ORDER BY tx_before LIMIT 1", (tx_id,))


def blocks_from(session: Session, sequence: int, limit: int) -> list[Block]:
    return _blocks(session, "WHERE sequence >= %s ORDER BY sequence LIMIT %s", (sequence, limit))


def blocks_after(session: Session, leaf: int, leaves: int) -> list[Block]:
    """Return, in order, the blocks that hold at least one of the leaves `leaf` to `leaf + leaves - 1`."""
    return _blocks(session, "WHERE tree_size > %s AND first_leaf < %s ORDER BY tree_size", (leaf, leaf + leaves))


def _blocks(session: Session, which: LiteralString, parameters: tuple[int, ...]) -> list[Block]:
    return binary_rows(session, Block, f"SELECT {_BLOCK}, {_STRAND} FROM journal_blocks {which}", parameters)


def _block(session: Session, which: LiteralString, parameters: tuple[int, ...]) -> Block | None:
    blocks = _blocks(session, which, parameters)
    return blocks[0] if blocks else None


def object_spans(session: Session, first: int, last: int, leaves: int) -> list[tuple[int, int]]:
    """Divide blocks `first` to `last` into runs of about `leaves` revisions; return each run's first and last block."""
    return session.rows(
        """SELECT min(sequence), max(sequence) FROM journal_blocks WHERE sequence BETWEEN %s AND %s
           GROUP BY first_leaf / %s ORDER BY 1""",
        (first, last, leaves),
    )


def unsealed_keys(session: Session, tx_from: int) -> list[tuple[Any, ...]]:
    """Return (transaction id, its time, table, document id) of the revisions of transactions from `tx_from` on."""
    return session.rows(
        "SELECT tx_id, tx_time, table_name, document_id FROM journal_revisions WHERE tx_id >= %s", (tx_from,)
    )


def revisions_of(session: Session, block: Block) -> list[Revision]:
    rows = session.rows(
        f"""SELECT {_REVISION} FROM journal_revisions r WHERE r.tx_id >= %s AND r.tx_id < %s
            ORDER BY r.tx_id, r.revision_id""",
        (block.tx_from, block.tx_before),
    )
    return [Revision(*row) for row in rows]


def sealed_in(session: Session, block: Block) -> list[Sealed]:
    return [
        Sealed(block.first_leaf + at, block.sequence, block.version(at), block.leaf(at), revision, block.strand)
        for at, revision in enumerate(revisions_of(session, block))
    ]


def nodes(session: Session, tree_nodes: Sequence[Node]) -> list[bytes]:
    """Return the hashes of tree nodes, each read from the block whose leaves completed it."""
    places = [completed_by(node) for node in tree_nodes]
    rows = session.rows(
        """SELECT substr(b.nodes, ((p.place - 2 * b.first_leaf + bit_count(b.first_leaf::bit(64))) * 32 + 1)::int, 32)
           FROM unnest(%s::int8[], %s::int8[]) WITH ORDINALITY AS p (leaf, place, number)
           CROSS JOIN LATERAL (SELECT first_leaf, nodes FROM journal_blocks
                               WHERE tree_size > p.leaf ORDER BY tree_size LIMIT 1) AS b
           ORDER BY p.number""",
        ([leaf for leaf, _ in places], [place for _, place in places]),
    )
    return [row[0] for row in rows]


# ── sealing and erasing ─────────────────────────────────────────────────────────────────────────────────────────────


def began(session: Session) -> datetime | None:
    """Return when the ledger was created; None if there is no ledger yet."""
    opened_at: datetime | None = session.value("SELECT min(opened_at) FROM journal_epochs")
    return opened_at


def insert_block(session: WriteSession, block: Block, revised: dict[tuple[str, str], int]) -> None:
    """Insert a block. `revised` is how many revisions its documents (table, id) now have, and is stored."""
    session.run(
        f"""INSERT INTO journal_blocks ({_BLOCK}) VALUES (%(sequence)s, %(first_leaf)s, %(tree_size)s, %(tx_from)s,
                %(tx_before)s, %(sealed_at)s, %(root)b, %(previous_hash)b, %(hash)b, %(nodes)b, %(versions)b)""",
        block.__dict__,
    )
    if revised:
        tables, documents = zip(*revised, strict=True)
        session.run(
            """INSERT INTO journal_versions (table_name, document_id, revisions)
               SELECT * FROM unnest(%s::text[], %s::text[], %s::int4[])
               ON CONFLICT (document_id, table_name) DO UPDATE SET revisions = excluded.revisions""",
            (list(tables), list(documents), list(revised.values())),
        )


def lock_if_free(session: Session, key: int) -> bool:
    """Try to take an advisory lock for the connection; return false if another process has it.

    Raises ReadOnlySqlTransaction as `Session.refuse_read_only` does.
    """
    session.refuse_read_only()
    return bool(session.value("SELECT pg_try_advisory_lock(%s)", (key,)))


def redact(session: WriteSession, table: str, document_id: str, by: str, reason: str, leaving: str | None) -> int:
    """Erase the data of a document's revisions; append a revision `leaving`, if any. Return how many were erased."""
    return int(session.value("SELECT journal_redact(%s, %s, %s, %s, %s)", (table, document_id, by, reason, leaving)))


def binary_rows(session: Session, row: Callable[..., Row], sql: LiteralString, parameters: Parameters) -> list[Row]:
    """Return a query's rows, read in PostgreSQL's binary format and built by column position: takes half the time."""
    with session.connection.cursor(binary=True) as cursor:
        cursor.execute(sql, parameters)
        return [row(*values) for values in cursor.fetchall()]
