"""Changes of products by vendors: one product, or many at once.

Each change locks the vendor's row first and stock second, so that changes of one vendor run one at a time.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app import ledger
from app.catalog import categories, product_changes_repository, repository, return_terms
from app.catalog.models import (
    Incoming,
    Product,
    ProductChange,
    Short,
    StockMeans,
    StockTaking,
    UpsertCount,
    Written,
)
from app.catalog.service import lock_active_vendors, product_id_of, spellings
from app.clock import Clock
from app.db import WriteSession
from app.errors import BadInput, Conflict, FieldError, NotFound

# Products of a vendor in a journal item, which then has at most 8 KB, far below a document's limit.
_PRODUCTS_AN_ITEM = 100
_LOCKS_A_STATEMENT = 5_000
AS_STATED = StockTaking({})
"""Takes stated stock as the number for sale from now on."""


def create(session: WriteSession, vendor_id: UUID, product: ProductChange, priced_in: str, clock: Clock) -> Product:
    """Create a product.

    Raises Conflict if the vendor is not active or has the SKU already, BadInput for another currency.
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
    """Change fields of Terms; `return_terms` are merged with the stored ones, and None removes one.

    Raises NotFound also for another vendor's product, and Conflict if the vendor is not active.
    """
    lock_active_vendors(session, [vendor_id])
    terms = product_changes_repository.lock_terms(session, product_id)
    if terms is None or terms.vendor_id != vendor_id:
        raise NotFound(f"you have no product {product_id}")
    own = return_terms.merged(terms.return_terms, changes.get("return_terms", {}))
    changed = replace(terms, **{**changes, "return_terms": own})
    category_id = categories.ids_of(session, [(changed.department, changed.category)])[
        changed.department, changed.category
    ]
    product_changes_repository.set_terms(session, product_id, changed, category_id, clock.now())
    return _journaled(session, product_id)


def upsert(session: WriteSession, vendor_id: UUID, rows: Sequence[ProductChange], clock: Clock) -> UpsertCount:
    """Create or change many products of one vendor. Raises Conflict if the vendor is not active.

    Each SKU may occur once. The journal takes 4 MB per transaction: 50,000 rows with SKUs of up to 40 characters.
    """
    return load(session, {vendor_id: rows}, clock)


def load(session: WriteSession, rows: Mapping[UUID, Sequence[ProductChange]], clock: Clock) -> UpsertCount:
    """Run `upsert` for many vendors at once."""
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
    """Run `upsert` for more rows than fit in memory; `skus` and `pairs` (department, category) are those of all rows.

    All rows are locked before the first batch, so that their order cannot cause deadlocks, and orders since the count
    are read after that, so that none is missed. If `repeated`, stock is set only for products that never had any
    stated.
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
    """Write products and their journal entries batch by batch; the caller has locked vendors and stock."""
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
    rows = [_incoming(*change, category_ids, taking) for change in batch]
    return product_changes_repository.upsert(session, rows, clock.now())


def _incoming(
    vendor_id: UUID,
    row: ProductChange,
    category_ids: Mapping[tuple[str, str], UUID],
    taking: StockTaking,
) -> Incoming:
    product_id = product_id_of(vendor_id, row.sku)
    return Incoming(
        product_id=product_id,
        vendor_id=vendor_id,
        sku=row.sku,
        name=row.name,
        brand=row.brand,
        category_id=category_ids[row.department, row.category],
        price_minor=row.price_minor,
        stock=row.stock,
        return_window_days=row.return_window_days,
        description=row.description,
        active=row.active,
        return_terms=row.return_terms,
        ordered=None if taking.ordered is None else taking.ordered.get(product_id, 0),
        repeated=taking.repeated,
    )


def _lock_stock(session: WriteSession, product_ids: list[UUID]) -> None:
    """Lock stock in the order of `take`, a bounded number of rows per statement."""
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
    """Return a compact journal item: each product is [sku, price_minor, on_hand, return_window_days].

    A product with return terms of its own adds their index in the item's `return_terms`.
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
