"""SQL of the product search: one statement for each page.

The inner query finds the page's products; only those are then joined to other tables.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, LiteralString
from uuid import UUID

from psycopg import ClientCursor

from app.catalog.models import Position, Product, Search, SearchHit, Sort
from app.catalog.repository import COLUMNS
from app.db import Session, maker

# A query of stop words only may be a brand's name, which the index also holds unstemmed. The subquery is evaluated
# once, not for each row that is ranked.
_WORDS = """
    (SELECT CASE WHEN numnode(stems) > 0 THEN stems ELSE websearch_to_tsquery('simple', folded(%(q)s)) END
     FROM websearch_to_tsquery('english', folded(%(q)s)) AS stems)
"""
# Matches each typed word as the beginning of a word, number or SKU; a single letter matches only itself.
_BEGINNINGS = """
    (SELECT string_agg(quote_literal(part) || CASE WHEN length(part) > 1 THEN ':*' ELSE '' END, ' & ')::tsquery
     FROM regexp_split_to_table(folded(%(q)s), '[^[:alnum:]]+') AS part WHERE part <> '')
"""
_QUERY = {False: _WORDS, True: _BEGINNINGS}
# OFFSET 0 is an optimization fence: words select few rows, but the planner overestimates their cost and would scan a
# whole index in sort order, or those of brand or price, instead.
_BY_WORDS = {parts: f"(SELECT * FROM products WHERE words @@ {query} OFFSET 0)" for parts, query in _QUERY.items()}

_CONDITIONS = {
    "brand": "p.folded_brand = folded(%(brand)s)",
    "vendor_id": "p.vendor_id = %(vendor_id)s",
    "min_price": "p.price_minor >= %(min_price)s",
    "max_price": "p.price_minor <= %(max_price)s",
}
_CATEGORY_CONDITIONS = {
    name: f"p.category_id IN (SELECT category_id FROM categories WHERE folded({column}) = folded(%({name})s))"
    for name, column in (("department", "department"), ("category", "name"))
}
# A subquery here too, so that the parameter is folded once.
_WITH_WORDS = _CONDITIONS | _CATEGORY_CONDITIONS | {"brand": "p.folded_brand = (SELECT folded(%(brand)s))"}
_CATEGORIES = "p.category_id = ANY(%(category_ids)s)"
_ONE_CATEGORY = "p.category_id = (%(category_ids)s::uuid[])[1]"  # its products are in an index, by name
# A subquery for each matching product, because a join would read the whole stock table first.
_IN_STOCK = "(SELECT h.on_hand > 0 FROM product_stock h WHERE h.product_id = p.product_id)"
# Few vendors are not active: a hash of those is cheaper than a lookup for each product.
_SHOWN = "p.active AND p.vendor_id NOT IN (SELECT vendor_id FROM sellers WHERE state <> 'active')"

# For each sort: the key's expression, the ORDER BY, and the condition for rows after a position.
_RANKS = {parts: f"ts_rank(p.words, {query})" for parts, query in _QUERY.items()}
_ORDERS = {
    Sort.RELEVANCE: (
        "",
        "key DESC, product_id",
        "(key < %(key)s::real OR (key = %(key)s::real AND product_id > %(product_id)s))",
    ),
    Sort.PRICE: ("p.price_minor", "key, product_id", "(key, product_id) > (%(key)s, %(product_id)s)"),
    Sort.PRICE_DOWN: ("p.price_minor", "key DESC, product_id DESC", "(key, product_id) < (%(key)s, %(product_id)s)"),
    Sort.NAME: ("p.name", "key, product_id", "(key, product_id) > (%(key)s, %(product_id)s)"),
}


def page(session: Session, search: Search, after: Position | None, limit: int) -> list[SearchHit]:
    """Return the first `limit` matching products after the position `after`, in the search's sort order."""
    parameters: dict[str, Any] = {**vars(search), **(vars(after) if after else {}), "limit": limit}
    source, filters = ("products", _CONDITIONS) if search.q is None else (_BY_WORDS[search.parts], _WITH_WORDS)
    conditions = [_SHOWN, *(sql for name, sql in filters.items() if parameters.get(name) is not None)]
    if search.q is None and not (search.department is None and search.category is None):
        parameters["category_ids"] = ids = _category_ids(session, parameters)
        conditions.append(_ONE_CATEGORY if len(ids) == 1 else _CATEGORIES)
    if search.in_stock:
        conditions.append(_IN_STOCK)
    # With words one plan fits all values; without words the best plan depends on them, so they are sent as literals.
    cursor = session.connection.cursor() if search.q else ClientCursor(session.connection)
    with cursor:
        rows = cursor.execute(_page_sql(search, source, conditions, after), parameters)
        product = maker(Product, [column.name for column in fields(Product)])
        return [SearchHit(product(row), key) for key, *row in rows]


def _page_sql(search: Search, source: str, conditions: Sequence[str], after: Position | None) -> LiteralString:
    expression, order, behind = _ORDERS[search.sort]
    if search.sort is Sort.RELEVANCE:
        expression = _RANKS[search.parts]
    return f"""
        SELECT key, {COLUMNS}
        FROM (
            SELECT * FROM (
                SELECT p.product_id, {expression} AS key FROM {source} p WHERE {" AND ".join(conditions)}
            ) matching
            {f"WHERE {behind}" if after else ""}
            ORDER BY {order} LIMIT %(limit)s
        ) page
        JOIN products p USING (product_id)
        JOIN categories c USING (category_id)
        JOIN product_stock s USING (product_id)
        ORDER BY {order}
    """


def _category_ids(session: Session, parameters: dict[str, Any]) -> list[UUID]:
    rows = session.rows(
        """SELECT category_id FROM categories
           WHERE (%(department)s::text IS NULL OR folded(department) = folded(%(department)s))
             AND (%(category)s::text IS NULL OR folded(name) = folded(%(category)s))""",
        parameters,
    )
    return [category_id for (category_id,) in rows]
