"""SQL of the stream's consumer: its progress, the hourly windows that it updates, and its quarantine."""

from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.types.multirange import Multirange

from app.db import Session, WriteSession, as_json
from app.insights.stream.models import Aside, Basket, Gap, Poison, Return, Status
from app.insights.stream.seen import CHUNK, Seen, ranges_of
from app.members.models import ERASED
from app.program import service as programs
from app.times import hour_of


def lock_seen(session: WriteSession, consumer: str, sequences: Sequence[int]) -> Seen:
    """Lock a consumer's progress until the commit; return, as bitmaps, which of the revision numbers it has applied."""
    session.run("INSERT INTO stream_progress (consumer) VALUES (%s) ON CONFLICT DO NOTHING", (consumer,))
    full = session.value("SELECT full_chunks FROM stream_progress WHERE consumer = %s FOR UPDATE", (consumer,))
    chunks = list({sequence // CHUNK for sequence in sequences})
    partial = session.rows(
        "SELECT chunk, bits FROM stream_seen WHERE consumer = %s AND chunk = ANY(%s)", (consumer, chunks)
    )
    return Seen(full, dict(partial))


def keep(session: WriteSession, consumer: str, seen: Seen, blocks: Sequence[int], newest: datetime | None) -> None:
    """Store a consumer's progress: applied revision numbers, blocks that arrived, and the time of the newest order."""
    if seen.grown:
        session.run(
            """INSERT INTO stream_seen (consumer, chunk, bits) SELECT %s, * FROM unnest(%s::int8[], %s::bytea[])
               ON CONFLICT (consumer, chunk) DO UPDATE SET bits = excluded.bits""",
            (consumer, list(seen.grown), list(seen.grown.values())),
        )
    if seen.filled:
        session.run("DELETE FROM stream_seen WHERE consumer = %s AND chunk = ANY(%s)", (consumer, seen.filled))
    session.run(
        """UPDATE stream_progress SET full_chunks = full_chunks + %s::int8multirange,
                  blocks = blocks + %s::int8multirange, newest = greatest(newest, %s)
           WHERE consumer = %s""",
        (ranges_of(seen.filled), ranges_of(blocks), newest, consumer),
    )


def checkpoint(session: WriteSession, consumer: str, shard: str, position: str) -> None:
    session.run(
        """INSERT INTO stream_checkpoints (consumer, shard, position) VALUES (%s, %s, %s)
           ON CONFLICT (consumer, shard) DO UPDATE SET position = excluded.position""",
        (consumer, shard, position),
    )


# ── windows ──────────────────────────────────────────────────────────────────────────────────────────────────────────


_COUNT_IN = """
    WITH baskets AS MATERIALIZED (  -- sales of erased members count under the area (erased)
        SELECT sequence, placed_at, hour, m.erased_at IS NOT NULL AS erased, b.member_id, b.order_id,
               CASE WHEN m.erased_at IS NOT NULL AND area IS NOT NULL THEN '(erased)' ELSE area END AS area, sales
        FROM json_to_recordset(%s)
            AS b (sequence int8, placed_at timestamptz, hour timestamptz, member_id uuid, area text, sales json,
                  order_id uuid)
        LEFT JOIN erased_members m USING (member_id)
    ), lines AS MATERIALIZED (
        SELECT b.sequence, b.hour, b.area, s.*
        FROM baskets b, json_to_recordset(b.sales) AS s (product_id uuid, units int8, paid_minor int8)
    ), kept AS (
        INSERT INTO stream_baskets (sequence, placed_at, member_id, products, order_id)
        SELECT sequence, placed_at, member_id, products, order_id
        FROM baskets JOIN (SELECT sequence, array_agg(product_id) AS products FROM lines GROUP BY 1) l USING (sequence)
        WHERE NOT erased
        ON CONFLICT DO NOTHING  -- another consumer's too
    ), by_product AS (
        INSERT INTO hourly_sales AS h (hour, product_id, units, paid_minor, lines)
        SELECT hour, product_id, sum(units), sum(paid_minor), count(*) FROM lines GROUP BY 1, 2
        ON CONFLICT (hour, product_id) DO UPDATE SET
            units = h.units + excluded.units, paid_minor = h.paid_minor + excluded.paid_minor,
            lines = h.lines + excluded.lines
    ), by_area AS (
        INSERT INTO hourly_area_sales AS h (hour, area, units, paid_minor, lines)
        SELECT hour, area, sum(units), sum(paid_minor), count(*) FROM lines WHERE area IS NOT NULL GROUP BY 1, 2
        ON CONFLICT (hour, area) DO UPDATE SET
            units = h.units + excluded.units, paid_minor = h.paid_minor + excluded.paid_minor,
            lines = h.lines + excluded.lines
    ), came AS (
        SELECT hour, orders, coalesce(lines, 0) AS lines, coalesce(units, 0) AS units,
               coalesce(paid_minor, 0) AS paid_minor
        FROM (SELECT hour, count(*) AS orders FROM baskets GROUP BY 1) b
        LEFT JOIN (SELECT hour, count(*) AS lines, sum(units) AS units, sum(paid_minor) AS paid_minor
                   FROM lines GROUP BY 1) l USING (hour)
    ), newest AS (
        SELECT DISTINCT ON (hour) w.* FROM sales_windows w JOIN came USING (hour) ORDER BY hour, version DESC
    )
    INSERT INTO sales_windows (hour, version, final, orders, lines, units, paid_minor)
    SELECT c.hour, coalesce(n.version, 1) + coalesce(n.final, false)::int, coalesce(n.final, false),
           c.orders + coalesce(n.orders, 0), c.lines + coalesce(n.lines, 0), c.units + coalesce(n.units, 0),
           c.paid_minor + coalesce(n.paid_minor, 0)
    FROM came c LEFT JOIN newest n USING (hour)
    ON CONFLICT (hour, version) DO UPDATE SET
        orders = excluded.orders, lines = excluded.lines, units = excluded.units, paid_minor = excluded.paid_minor
"""


def count_in(session: WriteSession, baskets: Sequence[tuple[int, Basket]]) -> None:
    """Add orders (revision number, order) to the sales counts of their hours.

    If an hour is final already, its counts are stored again as a new version, which corrects the earlier one.
    """
    zone = programs.zone(session)
    rows = [
        {"sequence": sequence, "hour": hour_of(basket.placed_at, zone), **vars(basket)} for sequence, basket in baskets
    ]
    session.run(_COUNT_IN, (as_json(rows),))


_COUNT_RETURNED = """
    WITH returned AS MATERIALIZED (
        SELECT * FROM json_to_recordset(%s) AS r (hour timestamptz, product_id uuid, area text, units int8)
    ), by_product AS (
        INSERT INTO hourly_sales AS h (hour, product_id, units, paid_minor, lines, returned_units)
        SELECT hour, product_id, 0, 0, 0, sum(units) FROM returned GROUP BY 1, 2
        ON CONFLICT (hour, product_id) DO UPDATE SET returned_units = h.returned_units + excluded.returned_units
    )
    INSERT INTO hourly_area_sales AS h (hour, area, units, paid_minor, lines, returned_units)
    SELECT hour, area, 0, 0, 0, sum(units) FROM returned WHERE area IS NOT NULL GROUP BY 1, 2
    ON CONFLICT (hour, area) DO UPDATE SET returned_units = h.returned_units + excluded.returned_units
"""


def count_returned(session: WriteSession, returns: Sequence[Return]) -> None:
    """Add returned units to the sales counts of the hour of their order, even if the order arrives after the return."""
    zone = programs.zone(session)
    lines = session.dicts(
        """SELECT o.placed_at, o.product_id, r.units,
                  CASE WHEN m.erased_at IS NOT NULL AND o.area IS NOT NULL THEN '(erased)' ELSE o.area END AS area
           FROM json_to_recordset(%s) AS r (order_id uuid, line int4, units int8)
           JOIN sold_lines o USING (order_id, line)
           LEFT JOIN erased_members m USING (member_id)""",
        (as_json(returns),),
    )
    session.run(_COUNT_RETURNED, (as_json([{"hour": hour_of(line["placed_at"], zone), **line} for line in lines]),))


# ── quarantine ───────────────────────────────────────────────────────────────────────────────────────────────────────


def quarantine(session: WriteSession, consumer: str, shard: str, poison: Sequence[Poison]) -> None:
    positions, reasons = [record.position for record in poison], [record.reason for record in poison]
    session.run(
        """INSERT INTO stream_quarantine (consumer, shard, position, reason, record)
           SELECT %s, %s, * FROM unnest(%s::text[], %s::text[], %s::bytea[]) ON CONFLICT DO NOTHING""",
        (consumer, shard, positions, reasons, [record.data for record in poison]),
    )


def aside(session: Session, consumer: str, limit: int) -> list[Aside]:
    return session.all(
        Aside,
        """SELECT shard, position, reason, tries, length(record) AS size FROM stream_quarantine
           WHERE consumer = %s ORDER BY shard, position LIMIT %s""",
        (consumer, limit),
    )


def record(session: Session, consumer: str, shard: str, position: str) -> bytes | None:
    record: bytes | None = session.value(
        "SELECT record FROM stream_quarantine WHERE consumer = %s AND shard = %s AND position = %s",
        (consumer, shard, position),
    )
    return record


def lock_quarantined(
    session: WriteSession, consumer: str, position: str | None, after: tuple[str, str], limit: int
) -> list[tuple[str, str, bytes]]:
    """Lock and return quarantined records (shard, position, bytes) that follow `after`; `position` None means any."""
    return session.rows(
        """SELECT shard, position, record FROM stream_quarantine
           WHERE consumer = %s AND (%s::text IS NULL OR position = %s) AND (shard, position) > (%s, %s)
           ORDER BY shard, position LIMIT %s FOR UPDATE""",
        (consumer, position, position, *after, limit),
    )


def release(session: WriteSession, consumer: str, shard: str, positions: Sequence[str]) -> None:
    session.run(
        "DELETE FROM stream_quarantine WHERE consumer = %s AND shard = %s AND position = ANY(%s)",
        (consumer, shard, list(positions)),
    )


def count_try(session: WriteSession, consumer: str, shard: str, poison: Sequence[Poison]) -> None:
    """Increment the number of tries of quarantined records, and store why each could not be parsed this time."""
    session.run(
        """UPDATE stream_quarantine q SET tries = tries + 1, reason = p.reason
           FROM unnest(%s::text[], %s::text[]) AS p (position, reason)
           WHERE q.consumer = %s AND q.shard = %s AND q.position = p.position""",
        ([record.position for record in poison], [record.reason for record in poison], consumer, shard),
    )


# ── progress ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def gaps(session: Session, consumer: str) -> list[Gap]:
    """Return the ranges of ledger blocks that did not arrive, between the first and the last that did."""
    return _gaps(
        session,
        "SELECT int8multirange(range_merge(blocks)) - blocks FROM stream_progress WHERE consumer = %s",
        consumer,
    )


def gaps_made(session: Session, consumer: str, blocks: Sequence[int]) -> list[Gap]:
    """Return the gaps that the arrival of `blocks` reveals: ranges of earlier ledger blocks that did not arrive."""
    return _gaps(
        session,
        """SELECT int8multirange(range_merge(grown)) - grown - int8multirange(range_merge(blocks))
           FROM (SELECT blocks, blocks + %s::int8multirange AS grown FROM stream_progress WHERE consumer = %s) p""",
        ranges_of(blocks),
        consumer,
    )


def _gaps(session: Session, sql: LiteralString, *values: object) -> list[Gap]:
    missing: Multirange[int] | None = session.value(sql, values)
    return [
        Gap(part.lower, part.upper - 1) for part in missing or [] if part.lower is not None and part.upper is not None
    ]


def status(session: Session, consumer: str) -> Status | None:
    return session.one(
        Status,
        """SELECT consumer, newest,
                  %(chunk)s * coalesce((SELECT sum(upper(r) - lower(r)) FROM unnest(full_chunks) r), 0)::bigint
                      + coalesce((SELECT sum(bit_count(bits)) FROM stream_seen s
                                  WHERE s.consumer = p.consumer), 0)::bigint AS revisions,
                  coalesce((SELECT sum(upper(r) - lower(r)) FROM unnest(blocks) r), 0)::bigint AS blocks,
                  (SELECT count(*) FROM unnest(int8multirange(range_merge(blocks)) - blocks)) AS gaps,
                  (SELECT count(*) FROM stream_seen s WHERE s.consumer = p.consumer) AS partial_chunks,
                  (SELECT count(*) FROM stream_quarantine q WHERE q.consumer = p.consumer) AS quarantined,
                  (SELECT count(*) FROM sales_windows WHERE NOT final) AS open_windows,
                  (SELECT count(DISTINCT hour) FROM sales_windows WHERE version > 1) AS corrected_windows
           FROM stream_progress p WHERE consumer = %(consumer)s""",
        {"consumer": consumer, "chunk": CHUNK},
    )


# ── erasure ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def erase(session: WriteSession, member_id: UUID, areas: Sequence[str]) -> None:
    """Delete a member's baskets and the quarantined records that contain the member's id.

    In the hourly sales by store or region, `areas` (those that only this member's orders have) become ERASED. Waits
    for the consumer's current batch; later batches see that the member is marked as erased.
    """
    session.run("SELECT FROM stream_progress FOR UPDATE")
    session.run("DELETE FROM stream_quarantine WHERE position(convert_to(%s, 'UTF8') IN record) > 0", (str(member_id),))
    session.run("DELETE FROM stream_baskets WHERE member_id = %s", (member_id,))
    session.run(
        """WITH gone AS (
               DELETE FROM hourly_area_sales WHERE area = ANY(%(areas)s)
               RETURNING hour, units, paid_minor, lines, returned_units
           )
           INSERT INTO hourly_area_sales AS h (hour, area, units, paid_minor, lines, returned_units)
           SELECT hour, %(erased)s, sum(units), sum(paid_minor), sum(lines), sum(returned_units) FROM gone GROUP BY hour
           ON CONFLICT (hour, area) DO UPDATE SET units = h.units + excluded.units,
               paid_minor = h.paid_minor + excluded.paid_minor, lines = h.lines + excluded.lines,
               returned_units = h.returned_units + excluded.returned_units""",
        {"areas": list(areas), "erased": ERASED},
    )
