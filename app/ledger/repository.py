"""All SQL of the journal."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import orjson

from app.db import Session, WriteSession, as_json
from app.ledger.models import Block, HistoryEntry, Revision, Sealed, Status

_REVISION = """
    r.revision_id, r.xid::text AS tx_id, r.tx_time, r.table_name, r.document_id, r.salt, r.data::text::bytea AS data
"""
_BLOCK = """
    sequence, first_leaf, tree_size, sealed_before::text, sealed_at, root, frontier, previous_hash, hash
"""


def insert(session: WriteSession, table: str, documents: Sequence[tuple[str, bytes, bytes]]) -> None:
    """`documents` are (id, salt, JSON); each JSON is stored byte for byte."""
    rows = [
        {"table_name": table, "document_id": document_id, "salt": f"\\x{salt.hex()}", "data": orjson.Fragment(data)}
        for document_id, salt, data in documents
    ]
    session.run(
        """INSERT INTO journal_revisions (table_name, document_id, salt, data)
           SELECT table_name, document_id, salt, data FROM json_populate_recordset(NULL::journal_revisions, %s)""",
        (as_json(rows),),
    )


def last_block(session: Session) -> Block | None:
    return session.one(Block, f"SELECT {_BLOCK} FROM journal_blocks ORDER BY sequence DESC LIMIT 1")


def blocks_from(session: Session, sequence: int, limit: int) -> list[Block]:
    return session.all(
        Block,
        f"SELECT {_BLOCK} FROM journal_blocks WHERE sequence >= %s ORDER BY sequence LIMIT %s",
        (sequence, limit),
    )


def horizon(session: Session) -> str:
    """Every transaction with a smaller id has ended: what it wrote is to be seen, or never will be."""
    return str(session.value("SELECT pg_snapshot_xmin(pg_current_snapshot())::text"))


def unsealed(session: Session, since: str, before: str, limit: int) -> list[Revision]:
    """Committed revisions of transactions [since, before), oldest transaction first."""
    return session.all(
        Revision,
        f"""SELECT {_REVISION} FROM journal_revisions r
            WHERE r.xid >= %s::xid8 AND r.xid < %s::xid8 ORDER BY r.xid, r.revision_id LIMIT %s""",
        (since, before, limit),
    )


def versions(session: Session, documents: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """How many sealed revisions each (table, document) has; those with none are left out."""
    tables, ids = zip(*documents, strict=True)
    return {
        (table, document): count
        for table, document, count in session.rows(
            """SELECT r.table_name, r.document_id, count(*)
               FROM unnest(%s::text[], %s::text[]) AS wanted (table_name, document_id)
               JOIN journal_revisions r USING (table_name, document_id)
               JOIN journal_leaves USING (revision_id)
               GROUP BY 1, 2""",
            (list(tables), list(ids)),
        )
    }


def insert_block(session: WriteSession, block: Block, leaves: Sequence[tuple[int, int, int, int, bytes]]) -> None:
    """`leaves` are rows of (sequence, revision_id, block, version, hash)."""
    session.run(
        """INSERT INTO journal_blocks VALUES (%(sequence)s, %(first_leaf)s, %(tree_size)s, %(sealed_before)s::xid8,
               %(sealed_at)s, %(root)s, %(frontier)s, %(previous_hash)s, %(hash)s)""",
        asdict(block),
    )
    columns = zip(*leaves, strict=True)
    session.run(
        """INSERT INTO journal_leaves (sequence, revision_id, block, version, hash)
           SELECT * FROM unnest(%s::int8[], %s::int8[], %s::int8[], %s::int4[], %s::bytea[])""",
        [list(column) for column in columns],
    )


def sealed_in(session: Session, block: int) -> list[Sealed]:
    rows = session.rows(
        f"""SELECT l.sequence, l.block, l.version, l.hash, {_REVISION}
            FROM journal_leaves l JOIN journal_revisions r USING (revision_id)
            WHERE l.sequence >= (SELECT first_leaf FROM journal_blocks WHERE sequence = %(block)s)
              AND l.sequence < (SELECT tree_size FROM journal_blocks WHERE sequence = %(block)s)
            ORDER BY l.sequence""",
        {"block": block},
    )
    return [
        Sealed(sequence, block, version, hash_, Revision(*revision))
        for sequence, block, version, hash_, *revision in rows
    ]


def history(session: Session, table: str, document_id: str) -> list[HistoryEntry]:
    return session.all(
        HistoryEntry,
        """SELECT r.xid::text AS tx_id, r.tx_time, r.data, l.sequence, l.block, l.version
           FROM journal_revisions r LEFT JOIN journal_leaves l USING (revision_id)
           WHERE r.table_name = %s AND r.document_id = %s ORDER BY r.xid, r.revision_id""",
        (table, document_id),
    )


def status(session: Session) -> Status:
    found = session.one(
        Status,
        """SELECT (SELECT count(*) FROM journal_revisions) AS revisions,
                  coalesce(max(tree_size), 0) AS sealed,
                  count(*) AS blocks,
                  coalesce(extract(epoch FROM clock_timestamp() - (
                      SELECT min(tx_time) FROM journal_revisions
                      WHERE xid >= coalesce((SELECT sealed_before FROM journal_blocks
                                             ORDER BY sequence DESC LIMIT 1), '0')
                  )), 0)::float8 AS oldest_unsealed_seconds
           FROM journal_blocks""",
    )
    assert found is not None  # noqa: S101  an aggregate always gives a row
    return found


def try_lead(session: Session, key: int) -> bool:
    return bool(session.value("SELECT pg_try_advisory_lock(%s)", (key,)))


def next_to_publish(session: WriteSession, stream: str, created_at: Any) -> int:
    """The first block that the stream has not; for a stream made anew, the first that its consumer has not applied."""
    return int(
        session.value(
            """INSERT INTO stream_cursors AS c (stream, created_at, next_block)
               SELECT %(stream)s, %(created_at)s, coalesce(min(l.block), 0)
               FROM journal_leaves l
               WHERE NOT EXISTS (SELECT FROM stream_applied a WHERE a.sequence = l.sequence)
               ON CONFLICT (stream) DO UPDATE
                   SET created_at = excluded.created_at,
                       next_block = CASE WHEN c.created_at = excluded.created_at
                                         THEN c.next_block ELSE excluded.next_block END
               RETURNING next_block""",
            {"stream": stream, "created_at": created_at},
        )
    )


def published(session: WriteSession, stream: str, next_block: int) -> None:
    session.run("UPDATE stream_cursors SET next_block = %s WHERE stream = %s", (next_block, stream))
