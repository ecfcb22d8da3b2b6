"""Read products and brands, take units from stock for orders, and lock vendors before their products are changed."""

from collections.abc import Callable, Collection, Mapping, Sequence
from uuid import UUID

from app.catalog import repository
from app.catalog.models import Product, Spellings
from app.db import Session, WriteSession
from app.errors import Conflict, FieldError, NotFound, OutOfStock
from app.ids import derived_id

products = repository.products
currency = repository.currency
has_product = repository.exists
has_vendor = repository.has_vendor
vendor_names = repository.vendor_names
brands = repository.brands


def product_id_of(vendor_id: UUID, sku: str) -> UUID:
    """Return the id of a vendor's product, which is derived from vendor and SKU."""
    return derived_id("product", str(vendor_id), sku)


def product(session: Session, product_id: UUID) -> Product:
    """Return a product. Raises NotFound, also if the product or its vendor is not active."""
    product = repository.shown(session, product_id)
    if product is None:
        raise NotFound(f"there is no product {product_id}")
    return product


def spellings(session: Session, vendor_id: UUID, skus: Collection[str]) -> Spellings:
    """Return the vendor's stored SKUs that differ from those in `skus` only in case, spaces or leading zeros."""
    same = dict(repository.spelled(session, vendor_id, list(skus)))
    digits = [sku for sku in skus if sku.isdigit() and sku[0] != "0"]
    return Spellings(same, dict(repository.with_zeros(session, vendor_id, digits)) if digits else {})


def for_sale(session: Session, product_ids: Sequence[UUID]) -> dict[UUID, Product]:
    """Return the products among these that are for sale now, by id."""
    return {product.product_id: product for product in repository.for_sale(session, product_ids)}


def ask_to_take(session: WriteSession, units: Mapping[UUID, int]) -> Callable[[], dict[UUID, Product]]:
    """Send a statement that takes units from stock; return a function that waits for it and returns the products.

    Only products for sale are returned, with their stock before the statement. The function raises OutOfStock, with
    each product that has too few units and how many are left.
    """
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


def lock_active_vendors(session: WriteSession, vendor_ids: Sequence[UUID]) -> None:
    """Lock vendors, so that a suspension waits for this transaction. Raises Conflict if a vendor is not active."""
    states = repository.lock_vendors(session, vendor_ids)
    for vendor_id in vendor_ids:
        if (state := states.get(vendor_id, "unknown")) != "active":
            raise Conflict(f"vendor {vendor_id} is {state}; only an active vendor may change anything")
