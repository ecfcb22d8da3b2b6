"""SQL that reads products and takes units from stock for orders."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from uuid import UUID

from app.catalog.models import Product
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
    """Return a product, or None if it is not for sale."""
    return session.one(Product, f"{_FOR_SALE} AND p.product_id = %s", (product_id,))


def products(session: Session, after: UUID | None, limit: int) -> list[Product]:
    """Return all products, for sale or not, in the order of their ids, starting after the id `after`."""
    return session.all(
        Product,
        f"""SELECT {COLUMNS} FROM {_WHOLE} WHERE %(after)s::uuid IS NULL OR p.product_id > %(after)s
            ORDER BY p.product_id LIMIT %(limit)s""",
        {"after": after, "limit": limit},
    )


def exists(session: Session, product_id: UUID) -> bool:
    return bool(session.value("SELECT EXISTS (SELECT FROM products WHERE product_id = %s)", (product_id,)))


def has_vendor(session: Session, vendor_id: UUID) -> bool:
    return bool(session.value("SELECT EXISTS (SELECT FROM sellers WHERE vendor_id = %s)", (vendor_id,)))


def vendor_names(session: Session, vendor_ids: Sequence[UUID]) -> dict[UUID, str]:
    return dict(session.rows("SELECT vendor_id, name FROM sellers WHERE vendor_id = ANY(%s)", (list(vendor_ids),)))


def brands(session: Session) -> list[str]:
    """Return the distinct brands of all products, by an index scan that skips from brand to brand."""
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
    """Send a statement that takes units from stock; return a function that waits for it and returns the products.

    Only products for sale are returned, with their stock before the statement. Units are taken only from products that
    have enough. Stock is locked in the order of product ids, so that concurrent orders cannot deadlock.
    """
    return session.ask_all(
        Product,
        f"""WITH wanted AS MATERIALIZED (
               SELECT key::uuid AS product_id, value::bigint AS units FROM json_each_text(%s)
           ), locked AS MATERIALIZED (
               SELECT {COLUMNS} FROM {_WHOLE} JOIN sellers v USING (vendor_id) JOIN wanted USING (product_id)
               WHERE p.active AND v.state = 'active'
               ORDER BY p.product_id
               FOR UPDATE OF s
           ), taken AS (
               UPDATE product_stock s SET on_hand = s.on_hand - wanted.units
               FROM locked JOIN wanted USING (product_id)
               WHERE s.product_id = locked.product_id AND s.on_hand >= wanted.units
           )
           SELECT {_PRODUCT} FROM locked""",
        (as_json({str(product_id): number for product_id, number in units.items()}),),
    )


def lock_vendors(session: WriteSession, vendor_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Lock vendors until the transaction ends, so that their states and products don't change; return their states."""
    return dict(
        session.rows(
            "SELECT vendor_id, state FROM vendors WHERE vendor_id = ANY(%s) ORDER BY vendor_id FOR NO KEY UPDATE",
            (list(vendor_ids),),
        )
    )


def currency(session: Session) -> str:
    """Return the program's currency (ISO 4217), in which all prices are stated."""
    return str(session.value("SELECT currency FROM program_terms"))


def spelled(session: Session, vendor_id: UUID, skus: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs (SKU in `skus`, stored SKU) that differ only in case or outer spaces."""
    return session.rows(
        """SELECT coming.sku, min(p.sku) FROM unnest(%(skus)s::text[]) AS coming (sku)
           JOIN products p ON p.vendor_id = %(vendor)s AND lower(btrim(p.sku)) = lower(coming.sku)
           GROUP BY 1 HAVING bool_and(p.sku <> coming.sku)""",
        {"vendor": vendor_id, "skus": list(skus)},
    )


def with_zeros(session: Session, vendor_id: UUID, skus: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs (numeric SKU in `skus`, stored SKU) in which only the stored SKU has leading zeros."""
    return session.rows(
        """SELECT coming.sku, min(p.sku) FROM unnest(%(skus)s::text[]) AS coming (sku)
           JOIN products p ON p.vendor_id = %(vendor)s AND p.sku ~ '^0[0-9]+$' AND ltrim(p.sku, '0') = coming.sku
           WHERE NOT EXISTS (SELECT FROM products WHERE vendor_id = %(vendor)s AND sku = coming.sku)
           GROUP BY 1""",
        {"vendor": vendor_id, "skus": list(skus)},
    )
