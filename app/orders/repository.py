"""All SQL of orders and returns."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import Session, WriteSession, as_json
from app.orders.models import Line, Order, Placed, Return

_ORDER = """order_id, member_id, placed_at, business_date, currency, gross_minor, discount_minor, points_minor,
            paid_minor, points_spent, area, reference"""
_LINE = """line, product_id, vendor_id, units, gross_minor, discount_minor, points_minor, paid_minor,
           return_window_days, matures_on, returned_units, return_terms"""
_LINE_READ = f"""{_LINE.removesuffix("return_terms")}
                 coalesce(return_terms, jsonb_build_object('days', return_window_days)) AS return_terms"""
_RETURN = "return_id, order_id, line, units, returned_at, reason, points, reason_code"


def insert(session: WriteSession, placed: Sequence[Placed]) -> None:
    session.run(
        f"""WITH asked AS MATERIALIZED (
               SELECT one -> 'order' AS one, (one -> 'order' ->> 'order_id')::uuid AS order_id, one -> 'lines' AS lines
               FROM json_array_elements(%s) AS one
           ), placed AS (
               INSERT INTO orders ({_ORDER})
               SELECT o.* FROM asked, LATERAL (SELECT {_ORDER} FROM json_populate_record(NULL::orders, one)) AS o
           )
           INSERT INTO order_lines (order_id, {_LINE})
           SELECT asked.order_id, l.*
           FROM asked, LATERAL (SELECT {_LINE} FROM json_populate_recordset(NULL::order_lines, lines)) AS l""",
        (as_json([{"order": one.order, "lines": one.lines} for one in placed]),),
    )


def order(session: Session, order_id: UUID) -> Order | None:
    return session.one(Order, f"SELECT {_ORDER} FROM orders WHERE order_id = %s", (order_id,))


def lines(session: Session, order_id: UUID) -> list[Line]:
    return session.all(Line, f"SELECT {_LINE_READ} FROM order_lines WHERE order_id = %s ORDER BY line", (order_id,))


def has_line(session: Session, order_id: UUID, line: int, member_id: UUID) -> bool:
    return bool(
        session.value(
            """SELECT EXISTS (SELECT FROM order_lines JOIN orders USING (order_id)
                              WHERE order_id = %s AND line = %s AND member_id = %s)""",
            (order_id, line, member_id),
        )
    )


def lock_line(session: WriteSession, order_id: UUID, line: int) -> tuple[Line | None, UUID | None]:
    """A line, locked until the transaction ends, and whose it is."""
    bought = session.one(
        Line,
        f"SELECT {_LINE_READ} FROM order_lines WHERE order_id = %s AND line = %s FOR UPDATE",
        (order_id, line),
    )
    buyer = session.value("SELECT member_id FROM orders WHERE order_id = %s", (order_id,)) if bought else None
    return bought, buyer


def orders_of(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Order]:
    """Newest first."""
    return session.all(
        Order,
        f"""SELECT {_ORDER} FROM orders WHERE member_id = %(member)s {"AND order_id < %(after)s" if after else ""}
            ORDER BY order_id DESC LIMIT %(limit)s""",
        {"member": member_id, "after": after, "limit": limit},
    )


def insert_return(session: WriteSession, returned: Return) -> None:
    session.run(
        f"""INSERT INTO returns ({_RETURN})
            VALUES (%(return_id)s, %(order_id)s, %(line)s, %(units)s, %(returned_at)s, %(reason)s, %(points)s,
                    %(reason_code)s)""",
        asdict(returned),
    )
    session.run(
        "UPDATE order_lines SET returned_units = returned_units + %s WHERE order_id = %s AND line = %s",
        (returned.units, returned.order_id, returned.line),
    )


def is_all_back(session: Session, order_id: UUID) -> bool:
    return not session.value(
        "SELECT EXISTS (SELECT FROM order_lines WHERE order_id = %s AND returned_units < units)", (order_id,)
    )


def returns_of(session: Session, order_id: UUID, after: UUID | None, limit: int) -> list[Return]:
    """Oldest first."""
    return session.all(
        Return,
        f"""SELECT {_RETURN} FROM returns WHERE order_id = %(order)s {"AND return_id > %(after)s" if after else ""}
            ORDER BY return_id LIMIT %(limit)s""",
        {"order": order_id, "after": after, "limit": limit},
    )


def count_sold(session: Session, since: datetime, until: datetime, most: int) -> int:
    """How many lines were bought in [since, until), counted no further than `most`."""
    return int(
        session.value(
            """SELECT count(*) FROM (
                   SELECT FROM orders o JOIN order_lines l USING (order_id)
                   WHERE placed_at >= %s AND placed_at < %s LIMIT %s) AS lines""",
            (since, until, most),
        )
    )


def stream_sold(session: Session, since: datetime, until: datetime, size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Order id, member, time, day and the columns of Sold, in the order of time, an order's lines together."""
    return session.stream(
        """SELECT o.order_id, o.member_id, o.placed_at, o.business_date, l.line::int, l.product_id, l.vendor_id,
                  p.category_id, p.department, p.brand, l.units, l.gross_minor, l.discount_minor, l.points_minor,
                  l.paid_minor, l.return_window_days, l.matures_on, l.returned_units
           FROM orders o JOIN order_lines l USING (order_id) JOIN catalogue p USING (product_id)
           WHERE o.placed_at >= %s AND o.placed_at < %s ORDER BY o.placed_at, o.order_id, l.line""",
        (since, until),
        size,
    )


def units_back(
    session: Session, order_ids: Sequence[UUID]
) -> list[tuple[UUID, int, int, datetime, dict[str, Any] | None]]:
    """Order, line, units and time of the returns of those orders, and the line's return terms."""
    return session.rows(
        """SELECT order_id, line, r.units, returned_at, return_terms
           FROM returns r JOIN order_lines USING (order_id, line)
           WHERE order_id = ANY(%s) ORDER BY returned_at, return_id""",
        (list(order_ids),),
    )


def top_departments(session: Session, member_id: UUID, limit: int) -> list[str]:
    rows = session.rows(
        """SELECT p.department FROM orders o JOIN order_lines l USING (order_id) JOIN catalogue p USING (product_id)
           WHERE o.member_id = %s GROUP BY 1 ORDER BY sum(l.units - l.returned_units) DESC, 1 LIMIT %s""",
        (member_id, limit),
    )
    return [row[0] for row in rows]
