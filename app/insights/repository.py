"""All SQL of the stream's consumer and its windows."""

from collections.abc import Sequence
from datetime import datetime

from app.db import Session, WriteSession
from app.insights.models import By, Poison, Sale, Seller


def mark_applied(session: WriteSession, consumer: str, sequences: Sequence[int]) -> set[int]:
    """Those of the revisions that were not applied before."""
    rows = session.rows(
        """INSERT INTO stream_applied SELECT %s, * FROM unnest(%s::int8[])
           ON CONFLICT DO NOTHING RETURNING sequence""",
        (consumer, list(sequences)),
    )
    return {row[0] for row in rows}


def add_sales(session: WriteSession, sales: Sequence[Sale]) -> None:
    session.run(
        """INSERT INTO hourly_sales AS h (hour, product_id, units, paid_minor, lines)
           SELECT hour, product_id, sum(units), sum(paid_minor), count(*)
           FROM unnest(%s::timestamptz[], %s::uuid[], %s::int8[], %s::int8[]) AS s (hour, product_id, units, paid_minor)
           GROUP BY 1, 2 ORDER BY 1, 2
           ON CONFLICT (hour, product_id) DO UPDATE SET
               units = h.units + excluded.units, paid_minor = h.paid_minor + excluded.paid_minor,
               lines = h.lines + excluded.lines""",
        (
            *([sale.hour for sale in sales], [sale.product_id for sale in sales]),
            *([sale.units for sale in sales], [sale.paid_minor for sale in sales]),
        ),
    )


def quarantine(session: WriteSession, consumer: str, shard: str, poison: Poison) -> None:
    session.run(
        "INSERT INTO stream_quarantine VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (consumer, shard, poison.position, poison.reason, poison.data.hex()),
    )


def checkpoint(session: WriteSession, consumer: str, shard: str, position: str) -> None:
    session.run(
        """INSERT INTO stream_checkpoints VALUES (%s, %s, %s)
           ON CONFLICT (consumer, shard) DO UPDATE SET position = excluded.position""",
        (consumer, shard, position),
    )


_BY = {
    By.PRODUCT: ("p.product_id::text", "p.name"),
    By.BRAND: ("p.brand", "p.brand"),
    By.VENDOR: ("v.vendor_id::text", "v.name"),
}


def top_sellers(session: Session, since: datetime, until: datetime, by: By, limit: int) -> list[Seller]:
    key, name = _BY[by]
    return session.all(
        Seller,
        f"""SELECT {key} AS id, {name} AS name, sum(h.units)::bigint AS units,
                   sum(h.paid_minor)::bigint AS paid_minor, sum(h.lines)::bigint AS lines
            FROM hourly_sales h JOIN products p USING (product_id) JOIN vendors v USING (vendor_id)
            WHERE h.hour >= %(since)s AND h.hour < %(until)s
            GROUP BY 1, 2 ORDER BY units DESC, id LIMIT %(limit)s""",
        {"since": since, "until": until, "limit": limit},
    )
