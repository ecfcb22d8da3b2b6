"""SQL that changes products and their stock."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from app.catalog.models import ProductChange, Written
from app.db import Session, WriteSession, as_json


def lock_product(session: WriteSession, vendor_id: UUID, product_id: UUID) -> ProductChange | None:
    """Lock a vendor's product and its stock; return the fields that the vendor can change, None if there is none."""
    return session.one(
        ProductChange,
        """SELECT p.sku, p.name, p.brand, c.department, c.name AS category, p.price_minor, s.on_hand AS stock,
                  p.return_window_days, p.description, p.active, coalesce(p.return_terms, '{}') AS return_terms
           FROM products p JOIN categories c USING (category_id) JOIN product_stock s USING (product_id)
           WHERE product_id = %s AND vendor_id = %s FOR NO KEY UPDATE OF p, s""",
        (product_id, vendor_id),
    )


def update(session: WriteSession, product_id: UUID, changed: ProductChange, category_id: UUID, at: datetime) -> None:
    """Update a product and its stock with all fields of `changed`."""
    values: dict[str, Any] = {**asdict(changed), "product_id": product_id, "category_id": category_id, "at": at}
    values["return_terms"] = as_json(changed.return_terms)
    session.run(
        """UPDATE products SET name = %(name)s, brand = %(brand)s, category_id = %(category_id)s,
                  description = %(description)s, price_minor = %(price_minor)s, active = %(active)s,
                  return_window_days = %(return_window_days)s,
                  return_terms = nullif(%(return_terms)s::jsonb, '{}'), changed_at = %(at)s
           WHERE product_id = %(product_id)s""",
        values,
    )
    session.run(
        """UPDATE product_stock SET on_hand = %(stock)s, stated = %(stock)s, left_then = %(stock)s
           WHERE product_id = %(product_id)s AND on_hand <> %(stock)s""",
        values,
    )


def lock_stock(session: WriteSession, product_ids: Sequence[UUID]) -> None:
    """Lock stock rows in the order of product ids, as orders do, so that a feed and an order cannot deadlock."""
    session.run(
        "SELECT FROM product_stock WHERE product_id = ANY(%s) ORDER BY product_id FOR UPDATE", (list(product_ids),)
    )


# Only changed rows are written, so that an unchanged row costs a comparison but no index entry. Rows are sorted by
# category, so that products of a category share pages and a search reads few pages.
_UPSERT = """
    WITH incoming AS (
        SELECT * FROM json_to_recordset(%(rows)s) AS i (
            product_id uuid, vendor_id uuid, sku text, name text, brand text, category_id uuid, price_minor bigint,
            stock bigint, return_window_days integer, description text, active boolean, return_terms jsonb,
            ordered bigint, repeated boolean)
    ), merged AS (
        SELECT i.product_id, i.vendor_id, i.sku, i.name, i.brand, i.category_id, i.price_minor,
               coalesce(i.return_window_days, p.return_window_days) AS return_window_days,
               coalesce(i.description, p.description, '') AS description,
               coalesce(i.active, p.active, true) AS active,
               nullif(coalesce(p.return_terms, '{}') || coalesce(i.return_terms, '{}'), '{}') AS return_terms,
               CASE WHEN i.stock IS NULL THEN coalesce(s.on_hand, 0)
                    WHEN i.repeated AND s.stated IS NOT NULL THEN s.on_hand
                    WHEN i.ordered IS NOT NULL THEN greatest(i.stock - i.ordered, 0)
                    WHEN s.stated = i.stock THEN s.on_hand
                    ELSE greatest(i.stock - greatest(coalesce(s.left_then - s.on_hand, 0), 0), 0)
               END AS on_hand,
               i.stock AS stated, (i.repeated AND s.stated IS NOT NULL)
                   OR (i.ordered IS NULL AND s.stated IS NOT DISTINCT FROM i.stock) AS known_before,
               s.on_hand AS on_hand_before, s.stated AS stated_before, s.left_then AS left_before,
               p.product_id IS NULL AS created,
               (p.name, p.brand, p.category_id, p.price_minor, p.return_window_days, p.description, p.active,
                p.return_terms) IS DISTINCT FROM
               (i.name, i.brand, i.category_id, i.price_minor, coalesce(i.return_window_days, p.return_window_days),
                coalesce(i.description, p.description, ''), coalesce(i.active, p.active, true),
                nullif(coalesce(p.return_terms, '{}') || coalesce(i.return_terms, '{}'), '{}')) AS differs
        FROM incoming i LEFT JOIN products p USING (product_id) LEFT JOIN product_stock s USING (product_id)
    ), stocked AS (
        SELECT *, on_hand IS DISTINCT FROM on_hand_before AS restocked,
               stated IS NOT NULL AND NOT known_before
                   AND (stated, on_hand) IS DISTINCT FROM (stated_before, left_before) AS restated
        FROM merged
    ), products_written AS (
        INSERT INTO products AS p (product_id, vendor_id, sku, name, brand, category_id, description, price_minor,
            currency, return_window_days, active, return_terms, changed_at)
        SELECT product_id, vendor_id, sku, name, brand, category_id, description, price_minor,
               (SELECT currency FROM program_terms), return_window_days, active, return_terms, %(at)s
        FROM stocked WHERE differs ORDER BY category_id, name
        ON CONFLICT (product_id) DO UPDATE
            SET name = excluded.name, brand = excluded.brand, category_id = excluded.category_id,
                description = excluded.description, price_minor = excluded.price_minor, active = excluded.active,
                return_window_days = excluded.return_window_days, return_terms = excluded.return_terms,
                changed_at = excluded.changed_at
    ), stock_written AS (
        INSERT INTO product_stock (product_id, on_hand, stated, left_then)
        SELECT product_id, on_hand, stated, CASE WHEN stated IS NOT NULL THEN on_hand END
        FROM stocked WHERE restocked OR restated
        ON CONFLICT (product_id) DO UPDATE
            SET on_hand = excluded.on_hand, stated = excluded.stated, left_then = excluded.left_then
    )
    SELECT vendor_id, sku, price_minor, on_hand, return_window_days, return_terms, created,
           differs OR restocked AS changed, stated, CASE WHEN known_before THEN stated_before ELSE stated END AS stands
    FROM stocked WHERE differs OR restocked OR on_hand <> stated ORDER BY vendor_id, sku
"""


def upsert(session: WriteSession, rows: Sequence[Mapping[str, Any]], at: datetime) -> list[Written]:
    """Insert or update products; return those created, changed, or with other stock than the vendor stated.

    The caller has locked vendors and stock. A row has ProductChange's fields, `ordered` and `repeated`. `ordered` is
    the number of units ordered since the vendor counted the stock, None if unknown. `repeated` is true if the same file
    was sent before; then its stock numbers apply only to products without a stock number.
    """
    return session.all(Written, _UPSERT, {"rows": as_json(rows), "at": at})


def ordered_since(session: Session, vendor_id: UUID, at: datetime) -> dict[UUID, int]:
    """Return how many units of each of a vendor's products were ordered after an instant, by product id."""
    return dict(
        session.rows(
            """SELECT product_id, sum(units)::bigint FROM ordered_units
               WHERE placed_at > %s AND vendor_id = %s GROUP BY 1""",
            (at, vendor_id),
        )
    )
