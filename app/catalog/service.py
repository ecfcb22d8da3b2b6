"""Products, their stock and their vendors: what shoppers see, and what orders take."""

from collections.abc import Callable, Collection, Mapping, Sequence
from uuid import UUID

from app.catalog import repository
from app.catalog.models import Product, Spellings
from app.db import Session, WriteSession
from app.errors import Conflict, FieldError, NotFound, OutOfStock
from app.ids import derived_id


def product_id_of(vendor_id: UUID, sku: str) -> UUID:
    """Return the product's id, which is derived from its vendor and SKU and never changes."""
    return derived_id("product", str(vendor_id), sku)


def product(session: Session, product_id: UUID) -> Product:
    """Return a product. Raises NotFound also if shoppers may not see it: the product or its vendor is not active."""
    product = repository.shown(session, product_id)
    if product is None:
        raise NotFound(f"there is no product {product_id}")
    return product


def products(session: Session, after: UUID | None, limit: int) -> list[Product]:
    """Return all products, shown or not, in the order of their ids, starting after the id `after`."""
    return repository.products(session, after, limit)


def currency(session: Session) -> str:
    """Return the program's currency (ISO 4217), in which every price is given."""
    return repository.currency(session)


def has_product(session: Session, product_id: UUID) -> bool:
    return repository.exists(session, product_id)


def has_vendor(session: Session, vendor_id: UUID) -> bool:
    return repository.has_vendor(session, vendor_id)


def vendor_names(session: Session, vendor_ids: Sequence[UUID]) -> dict[UUID, str]:
    return dict(repository.vendor_names(session, vendor_ids))


def brands(session: Session) -> list[str]:
    """Return the brands of all products, as vendors write them."""
    return repository.brands(session)


def spellings(session: Session, vendor_id: UUID, skus: Collection[str]) -> Spellings:
    """Return the SKUs that are another or a damaged spelling of one that the vendor sells already."""
    same = dict(repository.spelled(session, vendor_id, list(skus)))
    digits = [sku for sku in skus if sku.isdigit() and sku[0] != "0"]
    return Spellings(same, dict(repository.with_zeros(session, vendor_id, digits)) if digits else {})


def for_sale(session: Session, product_ids: Sequence[UUID]) -> dict[UUID, Product]:
    """Return by id those products that are for sale now."""
    return {product.product_id: product for product in repository.for_sale(session, product_ids)}


def take(session: WriteSession, units: Mapping[UUID, int]) -> dict[UUID, Product]:
    """Take units from stock, and return the products that are for sale as they were before; the others are left out.

    Raises OutOfStock, which names each product that has too few units and how many are left.
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


def lock_active_vendors(session: WriteSession, vendor_ids: Sequence[UUID]) -> None:
    """Lock the vendors before any change by them, so that nothing changes after a suspension. Raises Conflict."""
    states = repository.lock_vendors(session, vendor_ids)
    for vendor_id in vendor_ids:
        if (state := states.get(vendor_id, "unknown")) != "active":
            raise Conflict(f"vendor {vendor_id} is {state}; only an active vendor may change anything")
