"""SQL of reconciliation: compare each member's balances by lots, wallets, postings and ledger (together: the books)."""

from typing import LiteralString

from app.db import ReadSession, WriteSession
from app.night.models import Reconciliation

# Pending, available and owed points of each member. The ledger's are sums over the latest revision of each document.
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
        WHERE table_name IN ('orders', 'returns', 'nightly', 'redemptions', 'claims', 'order_lots', 'corrections')
          AND data IS NOT NULL
        ORDER BY table_name, document_id, revision_id DESC
    ), entries AS (
        SELECT data ->> 'member_id' AS member_id, (lot ->> 'points')::bigint AS pending, 0::bigint AS available,
               0::bigint AS owed
        FROM documents, json_array_elements(data -> 'lots') AS lot WHERE table_name = 'orders'
        UNION ALL
        SELECT data ->> 'member_id', (lot ->> 'points')::bigint, 0, 0
        FROM documents, json_array_elements(data -> 'items') AS lot WHERE table_name = 'order_lots'
        UNION ALL
        SELECT data ->> 'member_id', (data ->> 'points')::bigint, 0, 0
        FROM documents WHERE table_name = 'claims' AND data ->> 'state' = 'accepted'
        UNION ALL
        SELECT data ->> 'member_id', -(data -> 'taken' ->> 'pending')::bigint,
               -(data -> 'taken' ->> 'confirmed')::bigint, (data -> 'taken' ->> 'owed')::bigint
        FROM documents WHERE table_name = 'returns'
        UNION ALL
        SELECT data ->> 'member_id', 0,
               (data ->> 'points')::bigint - coalesce((data -> 'taken' ->> 'confirmed')::bigint, 0),
               coalesce((data -> 'taken' ->> 'owed')::bigint, 0)
        FROM documents WHERE table_name = 'corrections' AND data ->> 'lot_id' IS NOT NULL
        UNION ALL
        SELECT item ->> 'member_id',
               CASE data ->> 'what' WHEN 'confirmed' THEN -1 ELSE 0 END * (item ->> 'points')::bigint,
               CASE data ->> 'what' WHEN 'confirmed' THEN 1 ELSE -1 END * (item ->> 'points')::bigint, 0
        FROM documents, json_array_elements(data -> 'items') AS item WHERE table_name = 'nightly'
        UNION ALL
        SELECT data ->> 'member_id', 0, -(data ->> 'points')::bigint,
               CASE WHEN data ->> 'paid_to' = 'member_owed' THEN -(data ->> 'points')::bigint ELSE 0 END
        FROM documents WHERE table_name = 'redemptions' AND data ->> 'state' <> 'cancelled'
        UNION ALL
        SELECT data ->> 'member_id', 0, -(data ->> 'clawed_back')::bigint, 0
        FROM documents WHERE table_name = 'redemptions' AND data ->> 'state' = 'cancelled'
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
_OVERCOUNTED = """
    SELECT lot_id, recovered + short, coalesce(sum(d.points), 0)::bigint
    FROM lots LEFT JOIN lot_draws d USING (lot_id) WHERE recovered + short > 0
    GROUP BY 1, 2 HAVING recovered + short > coalesce(sum(d.points), 0) ORDER BY 1 LIMIT 1
"""
_UNBALANCED = (
    "SELECT movement_id, sum(points)::bigint FROM postings GROUP BY 1 HAVING sum(points) <> 0 ORDER BY 1 LIMIT 1"
)
_CHECKS: tuple[tuple[LiteralString, str], ...] = (
    (_FIRST_DIFFERENCE, "member {} has [pending, available, owed]: the wallet {}; lots {}; postings {}; the ledger {}"),
    (_UNTRACED, "redemption {} spent {} points, of which {} are traced to lots"),
    (_OVERCOUNTED, "returns of lot {} count {} of its points as spent, which are {}"),
    (_UNBALANCED, "the postings of movement {} sum to {}"),
)
"""Queries that find at most one row where the books differ, each with the sentence for its columns."""


def wallets(session: ReadSession) -> int:
    return int(session.value("SELECT count(*) FROM wallets"))


def first_difference(session: ReadSession) -> str | None:
    """Return a sentence that describes the first difference between the books; None if all agree."""
    for query, sentence in _CHECKS:
        if rows := session.rows(query):
            return sentence.format(*rows[0])
    return None


def insert(session: WriteSession, result: Reconciliation) -> None:
    session.run(
        "INSERT INTO reconciliations (at, wallets, seconds, difference) VALUES (%s, %s, %s, %s)",
        (result.at, result.wallets, result.seconds, result.difference),
    )
