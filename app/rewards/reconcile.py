"""Reconciling: lots, wallets, postings and the replay of the ledger must tell of every member the same.

It compares whole sets in one snapshot of the database, and names the first member that they tell differently of.
"""

import time
from dataclasses import dataclass
from datetime import datetime

from app.clock import Clock
from app.db import Database, ReadSession, WriteSession

# What each book says a member has: pending, available, owed. The ledger's is nothing but what its documents say: the
# last revision of each, added up.
_BOOKS = """
    lots AS (
        SELECT member_id, coalesce(sum(points) FILTER (WHERE state = 'pending'), 0)::bigint AS pending,
               coalesce(sum(unspent) FILTER (WHERE state = 'confirmed'), 0)::bigint AS available
        FROM lots GROUP BY 1
    ), postings AS (
        SELECT owner_id AS member_id,
               coalesce(sum(points) FILTER (WHERE account = 'member_pending'), 0)::bigint AS pending,
               coalesce(sum(points) FILTER (WHERE account = 'member_available'), 0)::bigint AS available,
               -coalesce(sum(points) FILTER (WHERE account = 'member_owed'), 0)::bigint AS owed
        FROM postings WHERE account LIKE 'member%%' GROUP BY 1
    ), documents AS MATERIALIZED (
        SELECT DISTINCT ON (table_name, document_id) table_name, data
        FROM journal_revisions
        WHERE table_name IN ('orders', 'returns', 'nightly', 'redemptions', 'claims') AND data IS NOT NULL
        ORDER BY table_name, document_id, revision_id DESC
    ), entries AS (
        SELECT data ->> 'member_id' AS member_id, (lot ->> 'points')::bigint AS pending, 0::bigint AS available,
               0::bigint AS owed
        FROM documents, json_array_elements(data -> 'lots') AS lot WHERE table_name = 'orders'
        UNION ALL
        SELECT data ->> 'member_id', (data ->> 'points')::bigint, 0, 0
        FROM documents WHERE table_name = 'claims' AND data ->> 'state' = 'accepted'
        UNION ALL
        SELECT data ->> 'member_id', -(data -> 'taken' ->> 'pending')::bigint,
               -(data -> 'taken' ->> 'confirmed')::bigint, (data -> 'taken' ->> 'owed')::bigint
        FROM documents WHERE table_name = 'returns'
        UNION ALL
        SELECT item ->> 'member_id',
               CASE data ->> 'what' WHEN 'confirmed' THEN -1 ELSE 0 END * (item ->> 'points')::bigint,
               CASE data ->> 'what' WHEN 'confirmed' THEN 1 ELSE -1 END * (item ->> 'points')::bigint, 0
        FROM documents, json_array_elements(data -> 'items') AS item WHERE table_name = 'nightly'
        UNION ALL
        SELECT data ->> 'member_id', 0, -(data ->> 'points')::bigint,
               CASE WHEN data ->> 'paid_to' = 'member_owed' THEN -(data ->> 'points')::bigint ELSE 0 END
        FROM documents WHERE table_name = 'redemptions' AND data ->> 'state' <> 'cancelled'
    ), ledger AS (
        SELECT member_id::uuid, sum(pending)::bigint AS pending, sum(available)::bigint AS available,
               sum(owed)::bigint AS owed
        FROM entries GROUP BY 1
    )
"""
_FIRST_DIFFERENCE = f"""
    WITH {_BOOKS}
    SELECT member_id,
           (SELECT array_to_json(ARRAY[w.pending, w.available, w.owed])::text),
           (SELECT array_to_json(ARRAY[coalesce(l.pending, 0), coalesce(l.available, 0), coalesce(w.owed, 0)])::text),
           (SELECT array_to_json(ARRAY[coalesce(p.pending, 0), coalesce(p.available, 0), coalesce(p.owed, 0)])::text),
           (SELECT array_to_json(ARRAY[coalesce(j.pending, 0), coalesce(j.available, 0), coalesce(j.owed, 0)])::text)
    FROM wallets w FULL JOIN lots l USING (member_id) FULL JOIN postings p USING (member_id)
    FULL JOIN ledger j USING (member_id)
    WHERE (w.pending, w.available) IS DISTINCT FROM (coalesce(l.pending, 0), coalesce(l.available, 0))
       OR (w.pending, w.available, w.owed)
          IS DISTINCT FROM (coalesce(p.pending, 0), coalesce(p.available, 0), coalesce(p.owed, 0))
       OR (w.pending, w.available, w.owed)
          IS DISTINCT FROM (coalesce(j.pending, 0), coalesce(j.available, 0), coalesce(j.owed, 0))
    ORDER BY member_id LIMIT 1
"""
_UNTRACED = """
    SELECT r.redemption_id, r.points, coalesce(sum(d.points), 0)::bigint
    FROM redemptions r LEFT JOIN lot_draws d USING (redemption_id) WHERE r.state <> 'cancelled'
    GROUP BY 1, 2 HAVING r.points <> coalesce(sum(d.points), 0) ORDER BY 1 LIMIT 1
"""
_UNBALANCED = (
    "SELECT movement_id, sum(points)::bigint FROM postings GROUP BY 1 HAVING sum(points) <> 0 ORDER BY 1 LIMIT 1"
)


@dataclass(frozen=True)
class Reconciliation:
    """`difference` names the first that was found; None where all books agree."""

    at: datetime
    wallets: int
    seconds: float
    difference: str | None


def run(db: Database, clock: Clock) -> Reconciliation:
    """Compare the books, and keep what was found."""
    begun = time.monotonic()
    with db.snapshot() as session:
        wallets, difference = int(session.value("SELECT count(*) FROM wallets")), _difference(session)
    found = Reconciliation(clock.now(), wallets, round(time.monotonic() - begun, 3), difference)
    with db.write() as session:
        _insert(session, found)
    return found


def _difference(session: ReadSession) -> str | None:
    for member_id, *books in session.rows(_FIRST_DIFFERENCE):
        names = ("the wallet", "lots", "postings", "the ledger")
        said = "; ".join(f"{name} {book}" for name, book in zip(names, books, strict=True))
        return f"member {member_id} has [pending, available, owed]: {said}"
    for redemption_id, points, drawn in session.rows(_UNTRACED):
        return f"redemption {redemption_id} spent {points} points, of which {drawn} are traced to lots"
    for movement_id, points in session.rows(_UNBALANCED):
        return f"the postings of movement {movement_id} sum to {points}"
    return None


def _insert(session: WriteSession, found: Reconciliation) -> None:
    session.run(
        "INSERT INTO reconciliations (at, wallets, seconds, difference) VALUES (%s, %s, %s, %s)",
        (found.at, found.wallets, found.seconds, found.difference),
    )
