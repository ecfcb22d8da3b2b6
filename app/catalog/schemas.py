"""Request and response bodies of the catalogue. Prices are integers in minor units, return windows are days."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from app.catalog.models import (
    LONGEST_DESCRIPTION,
    LONGEST_LABEL,
    LONGEST_NAME,
    MOST_STOCK,
    Category,
    Earning,
    Page,
    Product,
    ProductChange,
    Search,
    Sort,
)
from app.catalog.return_terms import Days, ReturnTerms, TermsIn, TermsOut, in_columns, merged
from app.catalog.skus import Sku
from app.mirrors import mirrors
from app.money import MOST_MINOR
from app.paging import CURSOR, MOST_ROWS, Next
from app.text import Line, NotFormula, Prose

Name = Annotated[Line, Field(max_length=LONGEST_NAME), NotFormula]
Label = Annotated[Line, Field(max_length=LONGEST_LABEL), NotFormula]
Words = Annotated[Line, Field(max_length=LONGEST_LABEL)]
Description = Annotated[Prose, Field(max_length=LONGEST_DESCRIPTION), NotFormula]
Price = Annotated[int, Field(strict=True, ge=0, le=MOST_MINOR, description="minor units: 1299 is 12.99")]
Stock = Annotated[int, Field(strict=True, ge=0, le=MOST_STOCK)]
Window = Annotated[Days | None, Field(description="null: the default; the same term as return_terms.days")]
Terms = Annotated[TermsIn, Field(description="by kind; a kind that is left out stays, null: the default")]
_FINAL = {"return_terms": {"final_sale": True}}

_PRODUCT: dict[str, Any] = {
    "sku": "COOK-100",
    "name": "Chocolate chip cookies 14 oz",
    "brand": "Millrace",
    "department": "GROCERY",
    "category": "COOKIES",
    "price_minor": 349,
    "currency": "USD",
    "description": "Baked in small batches",
    "return_window_days": 14,
}
_SHOWN: dict[str, Any] = {
    **_PRODUCT,
    "product_id": "5b6f36a2-7c0a-5e6e-9d34-0d1b3c7a9f10",
    "vendor_id": "0197f0aa-5c1e-7b1f-9d43-6d1c1b7a2f10",
    "category_id": "b8c5be56-96a4-5643-ba40-1a051417e0a6",
    "return_terms": {"days": 14, "points": "within_balance"},
    "return_says": [
        "It can be returned within 14 days.",
        "Returning it takes its points back, spent ones as far as your balance goes.",
    ],
    "on_hand": 120,
    "active": True,
    "changed_at": "2026-03-02T15:00:00Z",
    "earns": {"points": 17, "confirmed_on": "2026-03-16", "rule": "Five points for every 1.00 paid"},
}


class SearchIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    q: Words | None = Field(
        None,
        description='words or parts of words and SKUs, in any case and accents; "a phrase", or, -without',
        examples=["chocolate cookies"],
    )
    department: Words | None = Field(None, examples=["GROCERY"])
    category: Words | None = Field(None, examples=["COOKIES"])
    brand: Words | None = Field(None, examples=["Millrace"])
    vendor_id: UUID | None = None
    min_price: int | None = Field(None, ge=0, le=MOST_MINOR, description="inclusive, minor units", examples=[100])
    max_price: int | None = Field(None, ge=0, le=MOST_MINOR, description="inclusive, minor units", examples=[500])
    in_stock: bool = Field(False, description="only products in stock")
    sort: Annotated[Sort, WithJsonSchema({"type": "string", "enum": list(Sort)})] | None = Field(
        None, description="default: relevance with q, else name; -price: highest first"
    )
    cursor: str | None = Field(None, description=CURSOR)
    limit: int = Field(20, ge=1, le=MOST_ROWS)

    def search(self) -> Search:
        conditions = self.model_dump(exclude={"cursor", "limit", "sort"})
        return Search(sort=self.sort or (Sort.RELEVANCE if self.q else Sort.NAME), **conditions)

    @classmethod
    async def of(cls, request: Request) -> "SearchIn":
        """Validate all query parameters at once; FastAPI would validate each by itself, which is slow."""
        try:
            return cls.model_validate(dict(request.query_params))
        except ValidationError as refused:
            errors = [{**error, "loc": ("query", *error["loc"])} for error in refused.errors()]
            raise RequestValidationError(errors) from None

    @classmethod
    def parameters(cls) -> list[dict[str, Any]]:
        """Return the OpenAPI description of the query parameters."""
        fields = cls.model_json_schema()["properties"]
        return [{"name": name, "in": "query", "required": False, "schema": field} for name, field in fields.items()]


@mirrors(Earning)
class EarnsOut(BaseModel):
    points: int = Field(description="points for one unit at this price")
    confirmed_on: date = Field(description="the day from which they can be spent if it is bought today")


@mirrors(Product)
class ProductOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [_SHOWN]})

    return_window_days: int = Field(description="days in which it can be returned")
    return_terms: TermsOut = Field(description="by kind, as an order would freeze them now")
    return_says: list[str] = Field(description="the return terms as sentences for shoppers")
    earns: EarnsOut | None = Field(None, description="null: it earns no points")

    @classmethod
    def of(cls, product: Product, earning: Earning | None) -> "ProductOut":
        return cls.model_validate(_shown(product, EarnsOut.model_validate(earning) if earning else None))


def _shown(product: Product, earns: object) -> dict[str, Any]:
    terms = product.return_terms
    return {**vars(product), "return_window_days": terms["days"], "return_says": terms.says, "earns": earns}


class ProductsOut(BaseModel):
    products: list[ProductOut]
    next: Next


def page_json(page: Page, earnings: Mapping[UUID, Earning]) -> bytes:
    """Return a page as the JSON of ProductsOut, without pydantic, which would take as long as the search itself."""
    products = [_shown(product, earnings.get(product.product_id)) for product in page.products]
    return orjson.dumps({"products": products, "next": page.next}, option=orjson.OPT_UTC_Z)


@mirrors(Category)
class CategoryOut(BaseModel):
    return_window_days: int | None = Field(description="null: the program's default")
    return_terms: TermsOut = Field(description="its own terms by kind; the program's apply for other kinds")

    @classmethod
    def of(cls, category: Category) -> "CategoryOut":
        days = category.return_window_days
        terms = ReturnTerms({**category.return_terms, **({} if days is None else {"days": days})})
        return cls.model_validate({**vars(category), "return_terms": terms})


class CategoriesOut(BaseModel):
    categories: list[CategoryOut]
    next: Next


class CategoryIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"return_window_days": 30}]})

    return_window_days: Window = None
    return_terms: Terms = Field(default_factory=dict)

    def changes(self) -> dict[str, Any]:
        return in_columns(self.model_dump(exclude_unset=True), days="return_window_days")


class ProductIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{**_PRODUCT, "stock": 120}]})

    sku: Sku
    name: Name
    brand: Label
    department: Label
    category: Label
    price_minor: Price
    currency: str = Field(pattern="^[A-Z]{3}$", description="the program's currency", examples=["USD"])
    stock: Stock = Field(0, description="units that may be sold")
    return_window_days: Window = None
    return_terms: Terms = Field(default_factory=dict)
    description: Description = ""
    active: bool = Field(True, strict=True)

    def change(self) -> ProductChange:
        values = self.model_dump(exclude={"currency"})
        values |= in_columns(self.model_dump(exclude={"currency"}, exclude_unset=True), days="return_window_days")
        return ProductChange(**{**values, "return_terms": merged({}, values["return_terms"])})


class ProductPatch(BaseModel):
    """The fields of a product to change; absent fields keep their values."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"price_minor": 299, "stock": 80}]})

    # A default factory only marks a field as optional: its value is never used.
    name: Name = Field(default_factory=str)
    brand: Label = Field(default_factory=str)
    department: Label = Field(default_factory=str)
    category: Label = Field(default_factory=str)
    price_minor: Price = Field(default_factory=int)
    stock: Stock = Field(default_factory=int, description="units that may be sold, beyond those ordered already")
    return_window_days: Window = None
    return_terms: Terms = Field(default_factory=dict)
    description: Description = Field(default_factory=str)
    active: bool = Field(default_factory=bool, strict=True)

    def changes(self) -> dict[str, Any]:
        return in_columns(self.model_dump(exclude_unset=True), days="return_window_days")
