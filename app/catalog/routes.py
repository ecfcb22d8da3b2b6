"""Routes of products and categories: shoppers search them, vendors change products, admins change return terms."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from fastapi.responses import Response

from app.auth import Admin, Vendor
from app.catalog import categories, product_changes, search, service
from app.catalog.earnings import Earns
from app.catalog.models import Product
from app.catalog.schemas import (
    CategoriesOut,
    CategoryIn,
    CategoryOut,
    ProductIn,
    ProductOut,
    ProductPatch,
    ProductsOut,
    SearchIn,
    page_json,
)
from app.clock import Clock
from app.db import Session, WriteSession
from app.errors import Conflict
from app.idempotency import OnlyOnce
from app.paging import Paging, paged
from app.problems import problems
from app.routing import Router
from app.wiring import Db, Time

router = Router(tags=["catalog"])
ByName = Annotated[Paging[tuple[str, str]], paged(tuple[str, str], default=100)]


def _out(session: Session, products: Sequence[Product], earns: Earns, clock: Clock) -> list[ProductOut]:
    earnings = earns(session, products, clock)
    return [ProductOut.of(product, earnings.get(product.product_id)) for product in products]


@router.get(
    "/products",
    summary="Find products",
    response_model=ProductsOut,
    openapi_extra={"parameters": SearchIn.parameters()},
)
def find_products(filters: Annotated[SearchIn, Depends(SearchIn.of)], db: Db, earns: Earns, clock: Time) -> Response:
    """Searches products for sale; each is shown with the points it earns and the first day to spend them."""
    with db.read() as session:
        page = search.page(session, filters.search(), filters.cursor, filters.limit)
        earnings = earns(session, page.products, clock)
    return Response(page_json(page, earnings), media_type="application/json")


@router.get("/products/{product_id}", summary="One product")
def get_product(product_id: UUID, db: Db, earns: Earns, clock: Time) -> ProductOut:
    """Returns a product that is for sale, else 404. Needs no token."""
    with db.read() as session:
        return _out(session, [service.product(session, product_id)], earns, clock)[0]


@router.get("/categories", summary="Departments and categories")
def list_categories(paging: ByName, db: Db) -> CategoriesOut:
    """Returns all categories, sorted by department, then name. Needs no token."""
    with db.read() as session:
        page = paging.page(partial(categories.categories, session), "department", "name")
    return CategoriesOut(categories=[CategoryOut.of(category) for category in page.rows], next=page.next)


@router.patch("/categories/{category_id}", summary="Set a category's return terms")
def change_category(category_id: UUID, patch: CategoryIn, _: Admin, db: Db) -> CategoryOut:
    """Sets a category's return terms, for its products without own terms. Absent fields keep their values."""
    with db.write() as session:
        return CategoryOut.of(categories.change_category(session, category_id, patch.changes()))


@router.post(
    "/products", status_code=201, summary="Add a product", response_model=ProductOut, responses=problems(Conflict)
)
def add_product(draft: ProductIn, caller: Vendor, earns: Earns, once: OnlyOnce) -> Response:
    """Adds a product of the calling vendor, which must be active. Creates its category if it is new."""

    def work(session: WriteSession) -> ProductOut:
        product = product_changes.create(session, caller.subject, draft.change(), draft.currency, once.clock)
        return _out(session, [product], earns, once.clock)[0]

    return once(caller.key, work)


@router.patch("/products/{product_id}", summary="Change a product", responses=problems(Conflict))
def change_product(
    product_id: UUID, patch: ProductPatch, caller: Vendor, db: Db, earns: Earns, clock: Time
) -> ProductOut:
    """Changes a product; absent fields keep their values. New prices and return terms apply to orders from now on."""
    with db.write() as session:
        changed = product_changes.change(session, caller.subject, product_id, patch.changes(), clock)
        return _out(session, [changed], earns, clock)[0]
