"""SQL that reads revisions in the order of the Merkle tree: unsealed ones to seal, sealed ones to verify."""

from collections.abc import Callable

from app.db import Session, WriteSession
from app.ledger.models import Unsealed
from app.ledger.repository import binary_rows

# A leaf's metadata without the version, and salt ‖ data: the bytes that are hashed (README.md).
_HASHED = """
    int8send(r.tx_id) || timestamptz_send(r.tx_time) || int4send(octet_length(r.table_name))
        || textsend(r.table_name) || textsend(r.document_id) AS metadata,
    r.salt || json_send(r.data) AS body, r.data_hash
"""
HashedRow = tuple[bytes, bytes | None, bytes | None]
"""(metadata, salt ‖ data, hash of an erased salt ‖ data)"""


def open_epoch(session: WriteSession) -> None:
    """If the database server is another one than before, as after a restore, continue with higher transaction ids."""
    session.value("SELECT journal_open_epoch()")


# Every transaction with a smaller id has ended: its revisions are visible now, or never will be.
_HORIZON = "(SELECT max(base) FROM journal_epochs) + pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


def horizon(session: Session) -> int:
    return int(session.value(f"SELECT {_HORIZON}"))


def unsealed(session: Session, since: int, limit: int | None, before: int | None = None) -> list[Unsealed]:
    """Return up to `limit` revisions of committed transactions with ids in [since, before), by transaction id.

    If `before` is None, it is the id of the oldest transaction that still runs when the statement starts.
    """
    return binary_rows(
        session,
        Unsealed,
        f"""SELECT r.tx_id, h.horizon, r.table_name, r.document_id,
                   CASE WHEN (SELECT true FROM journal_revisions e  -- EXISTS might be planned as a scan of all of them
                              WHERE (e.document_id, e.table_name) = (r.document_id, r.table_name)
                                AND e.tx_id < %(since)s LIMIT 1)
                        THEN coalesce((SELECT v.revisions FROM journal_versions v
                                       WHERE (v.document_id, v.table_name) = (r.document_id, r.table_name)), 1)
                        ELSE 0 END AS earlier,
                   {_HASHED}
            FROM (SELECT coalesce(%(before)s, {_HORIZON}) AS horizon OFFSET 0) AS h,
                 LATERAL (SELECT * FROM journal_revisions WHERE tx_id >= %(since)s AND tx_id < h.horizon
                          ORDER BY tx_id, revision_id LIMIT %(limit)s) AS r
            ORDER BY r.tx_id, r.revision_id""",
        {"since": since, "before": before, "limit": limit},
    )


def hashed(session: Session, tx_from: int, tx_before: int) -> Callable[[], list[HashedRow]]:
    """Send a query for the revisions of transactions [tx_from, tx_before); return a function that fetches its rows.

    Rows have the bytes to hash, and are in the order of the Merkle tree. In psycopg's pipeline mode the server runs the
    query while the caller does other work.
    """
    cursor = session.connection.cursor(binary=True)
    cursor.execute(
        f"""SELECT {_HASHED} FROM journal_revisions r WHERE r.tx_id >= %s AND r.tx_id < %s
            ORDER BY r.tx_id, r.revision_id""",
        (tx_from, tx_before),
    )
    return cursor.fetchall


def count(session: Session, tx_from: int, tx_before: int) -> int:
    return int(
        session.value("SELECT count(*) FROM journal_revisions WHERE tx_id >= %s AND tx_id < %s", (tx_from, tx_before))
    )
