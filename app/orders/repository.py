"""All SQL of orders and returns."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from app.db import Session, WriteSession, as_json
from app.members.models import ERASED
from app.orders.models import Line, Order, Placed, Return

_ORDER = """order_id, member_id, placed_at, business_date, currency, gross_minor, discount_minor, points_minor,
            paid_minor, points_spent, area, reference"""
_LINE = """line, product_id, vendor_id, units, gross_minor, discount_minor, points_minor, paid_minor,
           return_window_days, matures_on, returned_units, return_terms"""
_LINE_READ = f"""{_LINE.removesuffix("return_terms")}
                 coalesce(return_terms, jsonb_build_object('days', return_window_days)) AS return_terms"""
_RETURN = "return_id, order_id, line, units, returned_at, reason, reason_code, points"


def insert(session: WriteSession, placed: Sequence[Placed]) -> None:
    session.run(
        f"""WITH bought AS MATERIALIZED (
               SELECT item -> 'order' AS data, (item -> 'order' ->> 'order_id')::uuid AS order_id,
                      item -> 'lines' AS lines
               FROM json_array_elements(%s) AS item
           ), placed AS (
               INSERT INTO orders ({_ORDER})
               SELECT o.* FROM bought, LATERAL (SELECT {_ORDER} FROM json_populate_record(NULL::orders, data)) AS o
           )
           INSERT INTO order_lines (order_id, {_LINE})
           SELECT bought.order_id, l.*
           FROM bought, LATERAL (SELECT {_LINE} FROM json_populate_recordset(NULL::order_lines, lines)) AS l""",
        (as_json([{"order": bought.order, "lines": bought.lines} for bought in placed]),),
    )


def order(session: Session, order_id: UUID) -> Order | None:
    return session.one(Order, f"SELECT {_ORDER} FROM orders WHERE order_id = %s", (order_id,))


def lines(session: Session, order_id: UUID) -> list[Line]:
    return session.all(Line, f"SELECT {_LINE_READ} FROM order_lines WHERE order_id = %s ORDER BY line", (order_id,))


def has_line(session: Session, order_id: UUID, line: int, member_id: UUID) -> bool:
    """Return whether the order belongs to the member and has a line with this number."""
    return bool(
        session.value(
            """SELECT EXISTS (SELECT FROM order_lines JOIN orders USING (order_id)
                              WHERE order_id = %s AND line = %s AND member_id = %s)""",
            (order_id, line, member_id),
        )
    )


def lock_line(session: WriteSession, order_id: UUID, line: int) -> tuple[Line | None, UUID | None]:
    """Lock an order line until the transaction ends; return it and its buyer's id, or two Nones if there is none."""
    bought = session.one(
        Line,
        f"SELECT {_LINE_READ} FROM order_lines WHERE order_id = %s AND line = %s FOR UPDATE",
        (order_id, line),
    )
    buyer = session.value("SELECT member_id FROM orders WHERE order_id = %s", (order_id,)) if bought else None
    return bought, buyer


def orders_of(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Order]:
    """Return a member's orders, newest first, starting after the id `after`."""
    return session.all(
        Order,
        f"""SELECT {_ORDER} FROM orders WHERE member_id = %(member)s {"AND order_id < %(after)s" if after else ""}
            ORDER BY order_id DESC LIMIT %(limit)s""",
        {"member": member_id, "after": after, "limit": limit},
    )


def insert_return(session: WriteSession, returned: Return) -> None:
    session.run(
        f"""INSERT INTO returns ({_RETURN})
            VALUES (%(return_id)s, %(order_id)s, %(line)s, %(units)s, %(returned_at)s, %(reason)s,
                    %(reason_code)s, %(points)s)""",
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
    """Return an order's returns, oldest first, starting after the id `after`."""
    return session.all(
        Return,
        f"""SELECT {_RETURN} FROM returns WHERE order_id = %(order)s {"AND return_id > %(after)s" if after else ""}
            ORDER BY return_id LIMIT %(limit)s""",
        {"order": order_id, "after": after, "limit": limit},
    )


def count_sold(session: Session, since: datetime, until: datetime, most: int) -> int:
    """Count the order lines bought in [since, until), up to `most`: return `most` if there are that many or more."""
    return int(
        session.value(
            """SELECT count(*) FROM (
                   SELECT FROM orders o JOIN order_lines l USING (order_id)
                   WHERE placed_at >= %s AND placed_at < %s LIMIT %s) AS lines""",
            (since, until, most),
        )
    )


def stream_sold(session: Session, since: datetime, until: datetime, size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the order lines bought in [since, until), sorted by time and order, in batches of `size`.

    A row is: order id, member, time, date in the program's time zone, and the columns of Sold.
    """
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
    """Return rows of these orders' returns: order id, line, units, time, and the line's return terms or None."""
    return session.rows(
        """SELECT order_id, line, r.units, returned_at, return_terms
           FROM returns r JOIN order_lines USING (order_id, line)
           WHERE order_id = ANY(%s) ORDER BY returned_at, return_id""",
        (list(order_ids),),
    )


def top_departments(session: Session, member_id: UUID, limit: int) -> list[str]:
    """Return the departments of which a member bought most units, not counting returned ones; the first has most."""
    rows = session.rows(
        """SELECT p.department FROM orders o JOIN order_lines l USING (order_id) JOIN catalogue p USING (product_id)
           WHERE o.member_id = %s GROUP BY 1 ORDER BY sum(l.units - l.returned_units) DESC, 1 LIMIT %s""",
        (member_id, limit),
    )
    return [row[0] for row in rows]


def ids_of(session: Session, member_id: UUID, *, with_area: bool = False) -> list[UUID]:
    """Return the ids of a member's orders; if `with_area`, only of orders that name a store or region (`area`)."""
    condition = "AND area IS NOT NULL" if with_area else ""
    rows = session.rows(f"SELECT order_id FROM orders WHERE member_id = %s {condition}", (member_id,))
    return [order_id for (order_id,) in rows]


def return_ids_of(session: Session, member_id: UUID) -> list[UUID]:
    rows = session.rows("SELECT return_id FROM returns JOIN orders USING (order_id) WHERE member_id = %s", (member_id,))
    return [return_id for (return_id,) in rows]


def areas_of_nobody_else(session: Session, member_id: UUID) -> list[str]:
    """Return the areas (stores or regions) that this member's orders name, but no other member's orders do."""
    rows = session.rows(
        """SELECT DISTINCT area FROM orders o WHERE member_id = %(member)s AND area <> %(erased)s
           AND NOT EXISTS (SELECT FROM orders other WHERE other.area = o.area AND other.member_id <> o.member_id)""",
        {"member": member_id, "erased": ERASED},
    )
    return [area for (area,) in rows]


def erase(session: WriteSession, member_id: UUID) -> None:
    """Replace the area (store or region) of a member's orders, and the member's reasons for returns, by ERASED."""
    session.run(
        """WITH returned AS (UPDATE returns r SET reason = %(erased)s FROM orders o
                             WHERE o.order_id = r.order_id AND o.member_id = %(member)s)
           UPDATE orders SET area = %(erased)s WHERE member_id = %(member)s AND area IS NOT NULL""",
        {"member": member_id, "erased": ERASED},
    )
