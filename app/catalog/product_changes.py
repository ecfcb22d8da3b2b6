"""Create and change products of vendors: a single product, a vendor's feed, or the products of many vendors.

Each change locks the vendor's row first and stock second, so that changes to a vendor's products run one by one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app import ledger
from app.catalog import categories, product_changes_repository, repository, return_terms
from app.catalog.models import Product, ProductChange, Short, StockMeans, StockTaking, UpsertCount, Written
from app.catalog.service import lock_active_vendors, product_id_of, spellings
from app.clock import Clock
from app.db import WriteSession
from app.errors import BadInput, Conflict, FieldError, NotFound

# A journal item with so many products has at most 8 KB, far below the limit of a journal document.
_PRODUCTS_AN_ITEM = 100
_LOCKS_A_STATEMENT = 5_000
AS_STATED = StockTaking({})
"""Stated stock is the number for sale from now on."""


def create(session: WriteSession, vendor_id: UUID, product: ProductChange, priced_in: str, clock: Clock) -> Product:
    """Create a product. Raises BadInput for another currency than the program's.

    Raises Conflict if the vendor is not active or has the SKU already.
    """
    lock_active_vendors(session, [vendor_id])
    if priced_in != (program_currency := repository.currency(session)):
        raise BadInput(
            f"prices here are in {program_currency}",
            [FieldError("currency", "not-ours", f"must be {program_currency}")],
        )
    sku = spellings(session, vendor_id, [product.sku]).same.get(product.sku, product.sku)
    product_id = product_id_of(vendor_id, sku)
    if repository.exists(session, product_id):
        raise Conflict(f"you already sell {sku}: it is product {product_id}; change that one")
    pair = (product.department, product.category)
    _upsert(session, [(vendor_id, product)], categories.ids_of(session, [pair]), clock, AS_STATED)
    return _journaled(session, product_id)


def change(
    session: WriteSession, vendor_id: UUID, product_id: UUID, changes: Mapping[str, Any], clock: Clock
) -> Product:
    """Change a product; `changes` has fields of ProductChange. In `return_terms`, None removes a kind of term.

    Raises NotFound also for another vendor's product, and Conflict if the vendor is not active.
    """
    lock_active_vendors(session, [vendor_id])
    stored = product_changes_repository.lock_product(session, vendor_id, product_id)
    if stored is None:
        raise NotFound(f"you have no product {product_id}")
    own_terms = return_terms.merged(stored.return_terms or {}, changes.get("return_terms", {}))
    changed = replace(stored, **{**changes, "return_terms": own_terms})
    pair = (changed.department, changed.category)
    category_id = categories.ids_of(session, [pair])[pair]
    product_changes_repository.update(session, product_id, changed, category_id, clock.now())
    return _journaled(session, product_id)


def load(session: WriteSession, rows: Mapping[UUID, Sequence[ProductChange]], clock: Clock) -> UpsertCount:
    """Create or change products of one or more vendors. Raises Conflict if one of the vendors is not active.

    Each SKU may occur once per vendor. The ledger takes 4 MB per transaction, enough for 50,000 rows.
    """
    lock_active_vendors(session, list(rows))
    pairs = [(row.department, row.category) for vendor_rows in rows.values() for row in vendor_rows]
    category_ids = categories.ids_of(session, pairs)
    changes = [(vendor_id, row) for vendor_id, vendor_rows in rows.items() for row in vendor_rows]
    _lock_stock(session, [product_id_of(vendor_id, row.sku) for vendor_id, row in changes])
    document = str(next(iter(rows))) if len(rows) == 1 else "load"
    return _write_all(session, document, [changes], category_ids, clock, AS_STATED)


def upsert_batches(
    session: WriteSession,
    vendor_id: UUID,
    skus: Collection[str],
    pairs: Collection[tuple[str, str]],
    batches: Iterable[Sequence[ProductChange]],
    clock: Clock,
    means: StockMeans = StockMeans.COUNTED,
    counted_at: datetime | None = None,
    *,
    repeated: bool = False,
) -> UpsertCount:
    """Create or change a vendor's products in batches.

    `skus` and `pairs` (department, category) are those of all batches. Stock is locked before the orders since
    `counted_at` are read, so that no order is missed. If `repeated` (the file was sent before), only products without a
    stock number get one.
    """
    lock_active_vendors(session, [vendor_id])
    category_ids = categories.ids_of(session, pairs)
    _lock_stock(session, [product_id_of(vendor_id, sku) for sku in skus])
    ordered = None if counted_at is None else product_changes_repository.ordered_since(session, vendor_id, counted_at)
    if ordered is None and means is StockMeans.AVAILABLE:
        ordered = {}
    changes = ([(vendor_id, row) for row in batch] for batch in batches)
    return _write_all(session, str(vendor_id), changes, category_ids, clock, StockTaking(ordered, repeated))


def _write_all(
    session: WriteSession,
    document: str,
    batches: Iterable[Sequence[tuple[UUID, ProductChange]]],
    category_ids: Mapping[tuple[str, str], UUID],
    clock: Clock,
    taking: StockTaking,
) -> UpsertCount:
    """Write products and append them to the ledger, batch by batch; count those created, updated and unchanged.

    The caller has locked vendors and stock.
    """
    created = updated = unchanged = 0
    short: list[Short] = []

    def items() -> Iterator[dict[str, Any]]:
        nonlocal created, updated, unchanged
        for batch in batches:
            rows = _upsert(session, batch, category_ids, clock, taking)
            short.extend(
                Short(row.sku, row.stated, row.on_hand, row.stands)
                for row in rows
                if row.stated is not None and row.stands is not None and row.on_hand != row.stated
            )
            written = [row for row in rows if row.changed]
            new = sum(row.created for row in written)
            created += new
            updated += len(written) - new
            unchanged += len(batch) - len(written)
            yield from _items(written)

    ledger.append_items(session, "products", f"catalogue-{document}", items(), at=clock.now())
    return UpsertCount(created, updated, unchanged, tuple(short))


def _upsert(
    session: WriteSession,
    batch: Sequence[tuple[UUID, ProductChange]],
    category_ids: Mapping[tuple[str, str], UUID],
    clock: Clock,
    taking: StockTaking,
) -> list[Written]:
    rows = []
    for vendor_id, row in batch:
        product_id, category_id = product_id_of(vendor_id, row.sku), category_ids[row.department, row.category]
        ids = {"product_id": product_id, "vendor_id": vendor_id, "category_id": category_id}
        ordered = None if taking.ordered is None else taking.ordered.get(product_id, 0)
        rows.append({**vars(row), **ids, "ordered": ordered, "repeated": taking.repeated})
    return product_changes_repository.upsert(session, rows, clock.now())


def _lock_stock(session: WriteSession, product_ids: list[UUID]) -> None:
    """Lock stock rows in the order of product ids, as orders do, to avoid deadlocks; in statements of bounded size."""
    product_ids.sort()
    for start in range(0, len(product_ids), _LOCKS_A_STATEMENT):
        product_changes_repository.lock_stock(session, product_ids[start : start + _LOCKS_A_STATEMENT])


def _journaled(session: WriteSession, product_id: UUID) -> Product:
    product = repository.product(session, product_id)
    assert product is not None  # noqa: S101  this transaction has just written it
    document = {**vars(product), "return_window_days": product.return_window_days}
    ledger.append(session, "products", product_id, document)
    return product


def _items(written: Sequence[Written]) -> list[dict[str, Any]]:
    by_vendor: dict[UUID, list[Written]] = {}
    for row in written:
        by_vendor.setdefault(row.vendor_id, []).append(row)
    return [
        {"vendor_id": vendor_id, **_item(rows[start : start + _PRODUCTS_AN_ITEM])}
        for vendor_id, rows in by_vendor.items()
        for start in range(0, len(rows), _PRODUCTS_AN_ITEM)
    ]


def _item(rows: Sequence[Written]) -> dict[str, Any]:
    """Return a compact ledger item, in which a product is [sku, price_minor, on_hand, return_window_days].

    A product with return terms of its own has a fifth value: their index in the item's `return_terms`.
    """
    products, terms = [], list[dict[str, Any]]()
    for row in rows:
        product = [row.sku, row.price_minor, row.on_hand, row.return_window_days]
        if row.return_terms:
            if row.return_terms not in terms:
                terms.append(row.return_terms)
            product.append(terms.index(row.return_terms))
        products.append(product)
    return {"products": products, **({"return_terms": terms} if terms else {})}
