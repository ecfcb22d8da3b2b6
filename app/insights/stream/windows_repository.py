"""SQL of the hourly sales counts: makes them final, and queries top sellers and busy hours of the week."""

from datetime import timedelta
from typing import LiteralString

from app.db import Session, WriteSession
from app.insights.stream.models import BusyHour, By, Completeness, Seller, Span

LATENESS = timedelta(minutes=15)
"""How long after an hour's end the hour's first version stays open for late sales."""

_PRODUCTS = "hourly_sales h JOIN catalogue p USING (product_id)"
# For each grouping: the FROM clause, the group's id, and its name.
_BY: dict[By, tuple[LiteralString, LiteralString, LiteralString]] = {
    By.PRODUCT: (_PRODUCTS, "p.product_id::text", "p.name"),
    By.BRAND: (_PRODUCTS, "p.brand", "p.brand"),
    By.VENDOR: (f"{_PRODUCTS} JOIN sellers v USING (vendor_id)", "v.vendor_id::text", "v.name"),
    By.DEPARTMENT: (_PRODUCTS, "p.department", "p.department"),
    By.AREA: ("hourly_area_sales h", "h.area", "h.area"),
}
# An hour's local time is read in its last minute, because a clock change by half an hour can fall within the hour.
_LOCAL = "(h.hour + interval '59 minutes') AT TIME ZONE (SELECT time_zone FROM program_terms)"
_SPAN = f"""
    h.hour >= %(since)s AND h.hour < %(until)s
    AND (%(hour_of_day)s::int IS NULL OR extract(hour FROM {_LOCAL}) = %(hour_of_day)s)
    AND (%(weekday)s::int IS NULL OR extract(isodow FROM {_LOCAL}) = %(weekday)s)
"""
_NEWEST = "NOT EXISTS (SELECT FROM sales_windows later WHERE later.hour = h.hour AND later.version > h.version)"


def top_sellers(session: Session, span: Span, by: By, after: tuple[int, str] | None, limit: int) -> list[Seller]:
    """Return the span's sales by product, brand or other group, most units (net of returns) first, then by id.

    Begins after the group `after` (units, id). A group whose units were all returned is left out.
    """
    rows, key, name = _BY[by]
    behind = dict(zip(("after_units", "after_id"), after or (), strict=False))
    return session.all(
        Seller,
        f"""SELECT id, name, units, paid_minor, lines FROM (
                SELECT {key} AS id, {name} AS name, sum(h.units - h.returned_units)::bigint AS units,
                       sum(h.paid_minor)::bigint AS paid_minor, sum(h.lines)::bigint AS lines
                FROM {rows} WHERE {_SPAN} GROUP BY 1, 2 HAVING sum(h.units) > sum(h.returned_units)
            ) sold
            {"WHERE units < %(after_units)s OR (units = %(after_units)s AND id > %(after_id)s)" if after else ""}
            ORDER BY units DESC, id LIMIT %(limit)s""",
        vars(span) | behind | {"limit": limit},
    )


def completeness(session: Session, span: Span) -> Completeness:
    """Return whether all hours of a span are final, and how many were corrected after that by late sales."""
    completeness = session.one(
        Completeness,
        f"""SELECT coalesce(bool_and(final), true) AS final, count(*) FILTER (WHERE version > 1) AS corrected
            FROM sales_windows h WHERE {_SPAN} AND {_NEWEST}""",
        vars(span),
    )
    assert completeness is not None  # noqa: S101  an aggregate has a row
    return completeness


def busy_hours(session: Session, span: Span) -> list[BusyHour]:
    """Return the span's orders, units and money, summed by hour of the week."""
    return session.all(
        BusyHour,
        f"""SELECT extract(isodow FROM {_LOCAL})::int AS weekday, extract(hour FROM {_LOCAL})::int AS hour,
                   sum(orders)::bigint AS orders, sum(units)::bigint AS units, sum(paid_minor)::bigint AS paid_minor
            FROM sales_windows h WHERE {_SPAN} AND {_NEWEST} GROUP BY 1, 2 ORDER BY 1, 2""",
        vars(span),
    )


def close_windows(session: WriteSession, consumer: str) -> None:
    """Mark hours as final: all that ended at least 15 minutes before the stream's newest order was placed."""
    session.run(
        """UPDATE sales_windows SET final = true
           WHERE NOT final
             AND hour + interval '1 hour' + %s <= (SELECT newest FROM stream_progress WHERE consumer = %s)""",
        (LATENESS, consumer),
    )
