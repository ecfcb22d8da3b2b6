"""Products, their stock and their prices: what vendors change, and what orders take.

A vendor's catalogue changes one transaction at a time: whoever changes it holds the vendor's row first, then stock.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app import ledger
from app.catalog import repository, return_terms
from app.catalog.models import (
    Category,
    Incoming,
    Product,
    ProductChange,
    Short,
    Spellings,
    StockMeans,
    StockTaking,
    UpsertCount,
    Written,
)
from app.clock import Clock
from app.db import Session, WriteSession
from app.errors import BadInput, Conflict, FieldError, NotFound, OutOfStock
from app.ids import derived_id
from app.text import fold

# Of one vendor in one item of the journal: an item is then at most 8 KB, far from a document's limit.
_PRODUCTS_AN_ITEM = 100
_LOCKS_A_STATEMENT = 5_000
AS_STATED = StockTaking({})
"""A number is what may be sold from now on."""


def product_id_of(vendor_id: UUID, sku: str) -> UUID:
    """A product is named by its vendor and SKU, for ever."""
    return derived_id("product", str(vendor_id), sku)


def category_id_of(department: str, category: str) -> UUID:
    return derived_id("category", department, category)


def product(session: Session, product_id: UUID) -> Product:
    """Raises NotFound also where shoppers may not see it: not active, or its vendor is not."""
    found = repository.shown(session, product_id)
    if found is None:
        raise NotFound(f"there is no product {product_id}")
    return found


def products(session: Session, after: UUID | None, limit: int) -> list[Product]:
    """All that there are, shown or not, in the order of their ids, those behind `after`."""
    return repository.products(session, after, limit)


def currency(session: Session) -> str:
    """The program's, ISO 4217: the one that every price is in."""
    return repository.currency(session)


def has_product(session: Session, product_id: UUID) -> bool:
    return repository.exists(session, product_id)


def has_category(session: Session, category_id: UUID) -> bool:
    return repository.has_category(session, category_id)


def has_vendor(session: Session, vendor_id: UUID) -> bool:
    return repository.has_vendor(session, vendor_id)


def vendor_names(session: Session, vendor_ids: Sequence[UUID]) -> dict[UUID, str]:
    return dict(repository.vendor_names(session, vendor_ids))


def brands(session: Session) -> list[str]:
    """Each name of a brand that any product has, as vendors write it."""
    return repository.brands(session)


def categories(session: Session, after: tuple[str, str] | None, limit: int) -> list[Category]:
    """By department and name, those behind that pair."""
    return repository.categories(session, after, limit)


def change_category(session: WriteSession, category_id: UUID, changes: Mapping[str, Any]) -> Category:
    """The return terms of products that have none of their own, for orders from now on. Raises NotFound.

    `changes` holds new values of `return_window_days`, and by kind of `return_terms`; None gives one up.
    """
    changed = repository.change_category(session, category_id, changes)
    if changed is None:
        raise NotFound(f"there is no category {category_id}")
    ledger.append(session, "categories", category_id, changed)
    return changed


def create(session: WriteSession, vendor_id: UUID, wanted: ProductChange, priced_in: str, clock: Clock) -> Product:
    """Raises Conflict where the vendor is not active or has the SKU already, BadInput for a foreign currency."""
    lock_active_vendors(session, [vendor_id])
    if priced_in != (needed := repository.currency(session)):
        raise BadInput(f"prices here are in {needed}", [FieldError("currency", "not-ours", f"must be {needed}")])
    sku = spellings(session, vendor_id, [wanted.sku]).same.get(wanted.sku, wanted.sku)
    product_id = product_id_of(vendor_id, sku)
    if repository.exists(session, product_id):
        raise Conflict(f"you already sell {sku}: it is product {product_id}; change that one")
    pair = (wanted.department, wanted.category)
    _upsert(session, [(vendor_id, wanted)], _categories(session, [pair]), clock, AS_STATED)
    return _journaled(session, product_id)


def change(
    session: WriteSession, vendor_id: UUID, product_id: UUID, changes: Mapping[str, Any], clock: Clock
) -> Product:
    """`changes` holds new values of fields of Terms; its `return_terms` are merged with those there, None gives one up.

    Raises NotFound for another vendor's product too, Conflict.
    """
    lock_active_vendors(session, [vendor_id])
    terms = repository.terms(session, product_id)
    if terms is None or terms.vendor_id != vendor_id:
        raise NotFound(f"you have no product {product_id}")
    own = return_terms.merged(terms.return_terms, changes.get("return_terms", {}))
    changed = replace(terms, **{**changes, "return_terms": own})
    category_id = _categories(session, [(changed.department, changed.category)])[changed.department, changed.category]
    repository.set_terms(session, product_id, changed, category_id, clock.now())
    return _journaled(session, product_id)


def spellings(session: Session, vendor_id: UUID, skus: Collection[str]) -> Spellings:
    """Those of the SKUs that are another spelling, or a damaged one, of what the vendor sells already."""
    same = dict(repository.spelled(session, vendor_id, list(skus)))
    digits = [sku for sku in skus if sku.isdigit() and sku[0] != "0"]
    return Spellings(same, dict(repository.with_zeros(session, vendor_id, digits)) if digits else {})


def for_sale(session: Session, product_ids: Sequence[UUID]) -> dict[UUID, Product]:
    """Those of the products that may be sold now."""
    return {found.product_id: found for found in repository.for_sale(session, product_ids)}


def take(session: WriteSession, units: Mapping[UUID, int]) -> dict[UUID, Product]:
    """Take units off the shelf: the products that may be sold now, as they were before, without those that may not.

    Raises OutOfStock, which names each product that has too little and what is left.
    """
    return ask_to_take(session, units)()


def ask_to_take(session: WriteSession, units: Mapping[UUID, int]) -> Callable[[], dict[UUID, Product]]:
    """`take`, sent to the database; the call that it returns waits for the answer, and raises OutOfStock."""
    rows = repository.ask_to_take(session, units)

    def taken() -> dict[UUID, Product]:
        products = {product.product_id: product for product in rows()}
        _must_suffice(products, units)
        return products

    return taken


def _must_suffice(products: Mapping[UUID, Product], units: Mapping[UUID, int]) -> None:
    errors = [
        FieldError(
            str(product.product_id),
            OutOfStock.code,
            f"{product.name}: {product.on_hand} left, {units[product.product_id]} asked",
        )
        for product in products.values()
        if product.on_hand < units[product.product_id]
    ]
    if errors:
        raise OutOfStock("; ".join(error.message for error in errors), errors)


def upsert(session: WriteSession, vendor_id: UUID, rows: Sequence[ProductChange], clock: Clock) -> UpsertCount:
    """Make or change many products of one vendor. Raises Conflict where it is not active.

    A SKU may come once. The journal takes up to 4 MB a transaction, which is 50,000 rows of SKUs up to 40 characters.
    """
    return load(session, {vendor_id: rows}, clock)


def load(session: WriteSession, rows: Mapping[UUID, Sequence[ProductChange]], clock: Clock) -> UpsertCount:
    """`upsert` for many vendors at once."""
    lock_active_vendors(session, list(rows))
    pairs = [(row.department, row.category) for some in rows.values() for row in some]
    category_ids = _categories(session, pairs)
    changes = [(vendor_id, row) for vendor_id, some in rows.items() for row in some]
    _lock_stock(session, [product_id_of(vendor_id, row.sku) for vendor_id, row in changes])
    document = str(next(iter(rows))) if len(rows) == 1 else "load"
    return _write_all(session, document, [changes], category_ids, clock, AS_STATED)


def upsert_batches(
    session: WriteSession,
    vendor_id: UUID,
    skus: Collection[str],
    categories: Collection[tuple[str, str]],
    batches: Iterable[Sequence[ProductChange]],
    clock: Clock,
    means: StockMeans = StockMeans.COUNTED,
    counted_at: datetime | None = None,
    *,
    repeated: bool = False,
) -> UpsertCount:
    """`upsert` of more rows than memory need hold: `skus` and `categories`, (department, name), are those of them all.

    Everything is locked before the first batch, so that the order of rows does not matter to whoever else locks. What
    is ordered since the stock was counted is looked up after that: whoever orders later takes from what is left. Of
    numbers that are `repeated` only those count whose product had none before.
    """
    lock_active_vendors(session, [vendor_id])
    category_ids = _categories(session, categories)
    _lock_stock(session, [product_id_of(vendor_id, sku) for sku in skus])
    ordered = None if counted_at is None else repository.ordered_since(session, vendor_id, counted_at)
    if ordered is None and means is StockMeans.AVAILABLE:
        ordered = {}
    changes = ([(vendor_id, row) for row in batch] for batch in batches)
    return _write_all(session, str(vendor_id), changes, category_ids, clock, StockTaking(ordered, repeated))


def lock_active_vendors(session: WriteSession, vendor_ids: Sequence[UUID]) -> None:
    """Whatever a vendor changes begins here, so that nothing of it counts once it is suspended. Raises Conflict."""
    states = repository.lock_vendors(session, vendor_ids)
    for vendor_id in vendor_ids:
        if (state := states.get(vendor_id, "unknown")) != "active":
            raise Conflict(f"vendor {vendor_id} is {state}; only an active vendor may change anything")


def _write_all(
    session: WriteSession,
    document: str,
    batches: Iterable[Sequence[tuple[UUID, ProductChange]]],
    category_ids: Mapping[tuple[str, str], UUID],
    clock: Clock,
    taking: StockTaking,
) -> UpsertCount:
    """Write the products and their revisions batch by batch; the caller holds vendors and stock."""
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
            fresh = sum(row.created for row in written)
            created += fresh
            updated += len(written) - fresh
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
    return repository.upsert(session, rows, clock.now())


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
    """In the direction of `take`, and a bounded number a statement."""
    product_ids.sort()
    for start in range(0, len(product_ids), _LOCKS_A_STATEMENT):
        repository.lock_stock(session, product_ids[start : start + _LOCKS_A_STATEMENT])


def _categories(session: WriteSession, named: Collection[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    """Ids of (department, name), whatever their spelling; those that are missing are made."""
    known = repository.category_ids(session) if named else {}
    folded = {(fold(department), fold(name)): category_id for (department, name), category_id in known.items()}
    ids: dict[tuple[str, str], UUID] = {}
    missing = []
    for pair in sorted(set(named) - known.keys()):
        key = fold(pair[0]), fold(pair[1])
        if key not in folded:
            folded[key] = category_id_of(*pair)
            missing.append((folded[key], *pair))
        ids[pair] = folded[key]
    if missing:
        repository.add_categories(session, missing)
    return known | ids


def _journaled(session: WriteSession, product_id: UUID) -> Product:
    written = repository.product(session, product_id)
    assert written is not None  # noqa: S101  this transaction has just written it
    document = {**vars(written), "return_window_days": written.return_window_days}
    ledger.append(session, "products", product_id, document)
    return written


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
    """Short, as there may be many: each product is [sku, price_minor, on_hand, return_window_days].

    One that has return terms of its own has their place among the item's `return_terms` too.
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
