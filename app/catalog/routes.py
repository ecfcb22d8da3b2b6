"""Product selection for shoppers, product updates for vendors."""

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
def find_products(asked: Annotated[SearchIn, Depends(SearchIn.of)], db: Db, earns: Earns, clock: Time) -> Response:
    """Search and filter what is for sale; each product says what it earns and when that is confirmed."""
    with db.read() as session:
        page = search.page(session, asked.search(), asked.cursor, asked.limit)
        earnings = earns(session, page.products, clock)
    return Response(page_json(page, earnings), media_type="application/json")


@router.get("/products/{product_id}", summary="One product")
def get_product(product_id: UUID, db: Db, earns: Earns, clock: Time) -> ProductOut:
    """Open to all. A product that is not for sale is not found."""
    with db.read() as session:
        return _out(session, [service.product(session, product_id)], earns, clock)[0]


@router.get("/categories", summary="Departments and categories")
def list_categories(asked: ByName, db: Db) -> CategoriesOut:
    """Open to all; sorted by department, then name."""
    with db.read() as session:
        page = asked.page(partial(categories.categories, session), "department", "name")
    return CategoriesOut(categories=[CategoryOut.of(category) for category in page.rows], next=page.next)


@router.patch("/categories/{category_id}", summary="Set a category's return terms")
def change_category(category_id: UUID, asked: CategoryIn, _: Admin, db: Db) -> CategoryOut:
    """For its products that have none of their own, and for orders from now on; only what is sent changes."""
    with db.write() as session:
        return CategoryOut.of(categories.change_category(session, category_id, asked.changes()))


@router.post(
    "/products",
    status_code=201,
    summary="Add a product",
    response_model=ProductOut,
    responses=problems(Conflict),
)
def add_product(asked: ProductIn, caller: Vendor, earns: Earns, once: OnlyOnce) -> Response:
    """For an active vendor. A department or category that is new is made."""

    def work(session: WriteSession) -> ProductOut:
        product = product_changes.create(session, caller.subject, asked.change(), asked.currency, once.clock)
        return _out(session, [product], earns, once.clock)[0]

    return once(caller.key, work)


@router.patch("/products/{product_id}", summary="Change a product", responses=problems(Conflict))
def change_product(
    product_id: UUID, asked: ProductPatch, caller: Vendor, db: Db, earns: Earns, clock: Time
) -> ProductOut:
    """Only what is sent changes. New prices and return terms count for orders from now on."""
    with db.write() as session:
        changed = product_changes.change(session, caller.subject, product_id, asked.changes(), clock)
        return _out(session, [changed], earns, clock)[0]
