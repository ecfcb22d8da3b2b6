"""SQL of products, categories and stock; the search's own is in `search_repository`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from app.catalog.models import Category, Incoming, Product, Terms, Written
from app.db import Session, WriteSession, as_json

COLUMNS = """
    p.product_id, p.vendor_id, p.sku, p.name, p.brand, p.category_id, c.department, c.name AS category, p.description,
    p.price_minor, p.currency,
    ((SELECT jsonb_build_object('points', g.return_policy) || coalesce(g.return_terms, '{}') FROM program_terms g)
        || coalesce(c.return_terms, '{}') || coalesce(p.return_terms, '{}') || jsonb_build_object('days', coalesce(
            p.return_window_days, c.return_window_days, (SELECT g.return_window_days FROM program_terms g))))::text
        AS return_terms,
    s.on_hand, p.active, p.changed_at
"""
_CATEGORY = """category_id, department, name, return_window_days, coalesce(return_terms, '{}') AS return_terms"""
_PRODUCT = ", ".join(column.name for column in fields(Product))
_WHOLE = """
    products p
    JOIN categories c USING (category_id)
    JOIN product_stock s USING (product_id)
"""


_FOR_SALE = f"SELECT {COLUMNS} FROM {_WHOLE} JOIN sellers v USING (vendor_id) WHERE p.active AND v.state = 'active'"


def product(session: Session, product_id: UUID) -> Product | None:
    return session.one(Product, f"SELECT {COLUMNS} FROM {_WHOLE} WHERE p.product_id = %s", (product_id,))


def shown(session: Session, product_id: UUID) -> Product | None:
    """As `product`, if shoppers may see it."""
    return session.one(
        Product,
        f"{_FOR_SALE} AND p.product_id = %s",
        (product_id,),
    )


def products(session: Session, after: UUID | None, limit: int) -> list[Product]:
    """In the order of their ids."""
    return session.all(
        Product,
        f"""SELECT {COLUMNS} FROM {_WHOLE} WHERE %(after)s::uuid IS NULL OR p.product_id > %(after)s
            ORDER BY p.product_id LIMIT %(limit)s""",
        {"after": after, "limit": limit},
    )


def exists(session: Session, product_id: UUID) -> bool:
    return bool(session.value("SELECT EXISTS (SELECT FROM products WHERE product_id = %s)", (product_id,)))


def has_category(session: Session, category_id: UUID) -> bool:
    return bool(session.value("SELECT EXISTS (SELECT FROM categories WHERE category_id = %s)", (category_id,)))


def has_vendor(session: Session, vendor_id: UUID) -> bool:
    return bool(session.value("SELECT EXISTS (SELECT FROM sellers WHERE vendor_id = %s)", (vendor_id,)))


def vendor_names(session: Session, vendor_ids: Sequence[UUID]) -> list[tuple[UUID, str]]:
    return session.rows("SELECT vendor_id, name FROM sellers WHERE vendor_id = ANY(%s)", (list(vendor_ids),))


def brands(session: Session) -> list[str]:
    """Goes along the index from name to name: as many steps as brands, however many products there are."""
    rows = session.rows(
        """WITH RECURSIVE named AS (
               (SELECT brand FROM products ORDER BY brand LIMIT 1)
               UNION ALL
               SELECT (SELECT p.brand FROM products p WHERE p.brand > named.brand ORDER BY p.brand LIMIT 1)
               FROM named WHERE named.brand IS NOT NULL
           )
           SELECT brand FROM named WHERE brand IS NOT NULL"""
    )
    return [row[0] for row in rows]


def for_sale(session: Session, product_ids: Sequence[UUID]) -> list[Product]:
    return session.all(Product, f"{_FOR_SALE} AND p.product_id = ANY(%s)", (list(product_ids),))


def ask_to_take(session: WriteSession, units: Mapping[UUID, int]) -> Callable[[], list[Product]]:
    """Those of the products that are for sale, as they were before their stock, where it suffices, was taken.

    Sorting comes before locking, so every order locks in the same direction. The call that is returned waits for it.
    """
    return session.ask_all(
        Product,
        f"""WITH asked AS MATERIALIZED (
               SELECT key::uuid AS product_id, value::bigint AS units FROM json_each_text(%s)
           ), held AS MATERIALIZED (
               SELECT {COLUMNS} FROM {_WHOLE} JOIN sellers v USING (vendor_id) JOIN asked USING (product_id)
               WHERE p.active AND v.state = 'active'
               ORDER BY p.product_id
               FOR UPDATE OF s
           ), taken AS (
               UPDATE product_stock s SET on_hand = s.on_hand - asked.units
               FROM held JOIN asked USING (product_id)
               WHERE s.product_id = held.product_id AND s.on_hand >= asked.units
           )
           SELECT {_PRODUCT} FROM held""",
        (as_json({str(product_id): number for product_id, number in units.items()}),),
    )


def lock_vendors(session: WriteSession, vendor_ids: Sequence[UUID]) -> dict[UUID, str]:
    """States of the vendors; their catalogues change one transaction at a time, and their states not meanwhile."""
    return dict(
        session.rows(
            "SELECT vendor_id, state FROM vendors WHERE vendor_id = ANY(%s) ORDER BY vendor_id FOR NO KEY UPDATE",
            (list(vendor_ids),),
        )
    )


def lock_stock(session: WriteSession, product_ids: Sequence[UUID]) -> None:
    """In the direction of `for_sale`, so that a feed and an order can't hold each other up for ever."""
    session.run(
        "SELECT FROM product_stock WHERE product_id = ANY(%s) ORDER BY product_id FOR UPDATE", (list(product_ids),)
    )


def currency(session: Session) -> str:
    return str(session.value("SELECT currency FROM program_terms"))


def categories(session: Session, after: tuple[str, str] | None, limit: int) -> list[Category]:
    return session.all(
        Category,
        f"""SELECT {_CATEGORY} FROM categories
            {"WHERE (department, name) > (%(department)s, %(name)s)" if after else ""}
            ORDER BY department, name LIMIT %(limit)s""",
        {**dict(zip(("department", "name"), after or (), strict=False)), "limit": limit},
    )


def category_ids(session: Session) -> dict[tuple[str, str], UUID]:
    """By (department, name)."""
    rows = session.rows("SELECT department, name, category_id FROM categories ORDER BY category_id")
    return {(department, name): category_id for department, name, category_id in rows}


def add_categories(session: WriteSession, wanted: Sequence[tuple[UUID, str, str]]) -> None:
    """`wanted` are (category_id, department, name), in one order everywhere; those there are stay as they are."""
    ids, departments, names = zip(*wanted, strict=True)
    session.run(
        """INSERT INTO categories (category_id, department, name)
           SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING""",
        (list(ids), list(departments), list(names)),
    )


def change_category(session: WriteSession, category_id: UUID, changes: Mapping[str, Any]) -> Category | None:
    """`changes` holds new values of its own window, and of its terms by kind; None gives one up."""
    return session.one(
        Category,
        f"""UPDATE categories
            SET return_window_days = CASE WHEN %(windows)s THEN %(days)s::int ELSE return_window_days END,
                return_terms = nullif(jsonb_strip_nulls(coalesce(return_terms, '{{}}') || %(terms)s::jsonb), '{{}}')
            WHERE category_id = %(category)s RETURNING {_CATEGORY}""",
        {
            "category": category_id,
            "windows": "return_window_days" in changes,
            "days": changes.get("return_window_days"),
            "terms": as_json(changes.get("return_terms", {})),
        },
    )


def terms(session: WriteSession, product_id: UUID) -> Terms | None:
    """What a vendor may change of a product, held until the transaction ends; order lines may refer to it meanwhile."""
    return session.one(
        Terms,
        """SELECT p.vendor_id, p.sku, p.name, p.brand, c.department, c.name AS category, p.description, p.price_minor,
                  p.return_window_days, coalesce(p.return_terms, '{}') AS return_terms, s.on_hand AS stock, p.active
           FROM products p JOIN categories c USING (category_id) JOIN product_stock s USING (product_id)
           WHERE product_id = %s FOR NO KEY UPDATE OF p, s""",
        (product_id,),
    )


def set_terms(session: WriteSession, product_id: UUID, changed: Terms, category_id: UUID, at: datetime) -> None:
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


# Only rows that differ are written: a feed that repeats itself costs a comparison, and no index entry. Neighbours of a
# category come to lie together: a search then reads few pages for many hits.
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
                   OR (i.ordered IS NULL AND s.stated IS NOT DISTINCT FROM i.stock) AS told_before,
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
               stated IS NOT NULL AND NOT told_before
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
           differs OR restocked AS changed, stated, CASE WHEN told_before THEN stated_before ELSE stated END AS stands
    FROM stocked WHERE differs OR restocked OR on_hand <> stated ORDER BY vendor_id, sku
"""


def upsert(session: WriteSession, rows: Sequence[Incoming], at: datetime) -> list[Written]:
    """Those that were made or changed, or have another stock than stated. The caller holds vendors and stock."""
    return session.all(Written, _UPSERT, {"rows": as_json(rows), "at": at})


def ordered_since(session: Session, vendor_id: UUID, at: datetime) -> dict[UUID, int]:
    """Units of a vendor's products that orders placed after an instant have taken."""
    return dict(
        session.rows(
            """SELECT product_id, sum(units)::bigint FROM ordered_units
               WHERE placed_at > %s AND vendor_id = %s GROUP BY 1""",
            (at, vendor_id),
        )
    )


def spelled(session: Session, vendor_id: UUID, skus: Sequence[str]) -> list[tuple[str, str]]:
    """(as it comes, as the vendor has it) of SKUs that it has in another spelling only."""
    return session.rows(
        """SELECT coming.sku, min(p.sku) FROM unnest(%(skus)s::text[]) AS coming (sku)
           JOIN products p ON p.vendor_id = %(vendor)s AND lower(btrim(p.sku)) = lower(coming.sku)
           GROUP BY 1 HAVING bool_and(p.sku <> coming.sku)""",
        {"vendor": vendor_id, "skus": list(skus)},
    )


def with_zeros(session: Session, vendor_id: UUID, skus: Sequence[str]) -> list[tuple[str, str]]:
    """(as it comes, as the vendor has it) of SKUs of digits that it has only with zeros at their beginning."""
    return session.rows(
        """SELECT coming.sku, min(p.sku) FROM unnest(%(skus)s::text[]) AS coming (sku)
           JOIN products p ON p.vendor_id = %(vendor)s AND p.sku ~ '^0[0-9]+$' AND ltrim(p.sku, '0') = coming.sku
           WHERE NOT EXISTS (SELECT FROM products WHERE vendor_id = %(vendor)s AND sku = coming.sku)
           GROUP BY 1""",
        {"vendor": vendor_id, "skus": list(skus)},
    )
