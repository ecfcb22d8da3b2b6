"""All SQL that queries the hourly windows."""

from typing import Any, LiteralString

from app.db import Session
from app.insights.stream.models import BusyHour, By, Completeness, Seller, Span

_PRODUCTS = "hourly_sales h JOIN catalogue p USING (product_id)"
# What is added up: the rows, the id and the name.
_BY: dict[By, tuple[LiteralString, LiteralString, LiteralString]] = {
    By.PRODUCT: (_PRODUCTS, "p.product_id::text", "p.name"),
    By.BRAND: (_PRODUCTS, "p.brand", "p.brand"),
    By.VENDOR: (f"{_PRODUCTS} JOIN sellers v USING (vendor_id)", "v.vendor_id::text", "v.name"),
    By.DEPARTMENT: (_PRODUCTS, "p.department", "p.department"),
    By.AREA: ("hourly_area_sales h", "h.area", "h.area"),
}
# By its last minute: where the clocks go forward by half an hour, the first half of an hour is left out.
_LOCAL = "(h.hour + interval '59 minutes') AT TIME ZONE (SELECT time_zone FROM program_terms)"
_SPAN = f"""
    h.hour >= %(since)s AND h.hour < %(until)s
    AND (%(hour_of_day)s::int IS NULL OR extract(hour FROM {_LOCAL}) = %(hour_of_day)s)
    AND (%(weekday)s::int IS NULL OR extract(isodow FROM {_LOCAL}) = %(weekday)s)
"""
_NEWEST = "NOT EXISTS (SELECT FROM sales_windows later WHERE later.hour = h.hour AND later.version > h.version)"


def top_sellers(session: Session, span: Span, by: By, after: tuple[int, str] | None, limit: int) -> list[Seller]:
    """Return the keys with most units net of returns, ties by id; keys returned whole are left out."""
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
        _values(span) | behind | {"limit": limit},
    )


def completeness(session: Session, span: Span) -> Completeness:
    completeness = session.one(
        Completeness,
        f"""SELECT coalesce(bool_and(final), true) AS final, count(*) FILTER (WHERE version > 1) AS corrected
            FROM sales_windows h WHERE {_SPAN} AND {_NEWEST}""",
        _values(span),
    )
    assert completeness is not None  # noqa: S101  an aggregate has a row
    return completeness


def busy_hours(session: Session, span: Span) -> list[BusyHour]:
    return session.all(
        BusyHour,
        f"""SELECT extract(isodow FROM {_LOCAL})::int AS weekday, extract(hour FROM {_LOCAL})::int AS hour,
                   sum(orders)::bigint AS orders, sum(units)::bigint AS units, sum(paid_minor)::bigint AS paid_minor
            FROM sales_windows h WHERE {_SPAN} AND {_NEWEST} GROUP BY 1, 2 ORDER BY 1, 2""",
        _values(span),
    )


def _values(span: Span) -> dict[str, Any]:
    return dict(vars(span))
