"""Products, categories, stock and searches. Prices are in minor units of the program's currency, windows in days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.catalog.return_terms import ReturnTerms

# Limits of texts, which are printed on labels and indexed: an index entry has at most 2,700 bytes.
LONGEST_SKU = 40
SKU_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._/#:+-]{0,39}$"
LONGEST_NAME = 200
LONGEST_LABEL = 100
LONGEST_DESCRIPTION = 4_000
MOST_STOCK = 1_000_000_000


class Sort(StrEnum):
    RELEVANCE = "relevance"
    PRICE = "price"
    PRICE_DOWN = "-price"
    NAME = "name"


@dataclass(frozen=True)
class Product:
    """A product.

    `return_terms` are those in force: for each kind the product's own, else its category's, else the program's.
    """

    product_id: UUID
    vendor_id: UUID
    sku: str
    name: str
    brand: str
    category_id: UUID
    department: str
    category: str
    description: str
    price_minor: int
    currency: str
    return_terms: ReturnTerms
    on_hand: int
    active: bool
    changed_at: datetime

    @property
    def return_window_days(self) -> int:
        return int(self.return_terms["days"])


@dataclass(frozen=True)
class SearchHit:
    """A product of a search result with its sort key: rank, price or name."""

    product: Product
    key: float | str


@dataclass(frozen=True)
class Category:
    """A category.

    The program's terms apply if `return_window_days` is None and for each kind that `return_terms` lacks.
    """

    category_id: UUID
    department: str
    name: str
    return_window_days: int | None
    return_terms: dict[str, Any]


@dataclass(frozen=True)
class ProductChange:
    """The values that a vendor sets for a product: one row of a feed, or a new product.

    None keeps the stored value; a new product then gets stock 0, the default window, and is active. A kind that
    `return_terms` lacks is kept too.
    """

    sku: str
    name: str
    brand: str
    department: str
    category: str
    price_minor: int
    stock: int | None = None
    return_window_days: int | None = None
    description: str | None = None
    active: bool | None = None
    return_terms: Mapping[str, Any] | None = None


class StockMeans(StrEnum):
    """Defines what the stock numbers of a file mean.

    `counted` is the number on the shelf. Orders since the time of counting are subtracted; without that time, all
    orders since the product's stock was last stated, and a number or a file that is sent again changes nothing.
    `available` is the number left after all orders up to the time of counting, or up to now without one.
    """

    COUNTED = "counted"
    AVAILABLE = "available"


@dataclass(frozen=True)
class StockTaking:
    """How stated stock becomes stock for sale: `ordered` units per product since the count are subtracted.

    `ordered` is None if the time of counting is unknown. If `repeated`, the file was sent before and newer statements
    of stock are kept.
    """

    ordered: Mapping[UUID, int] | None = None
    repeated: bool = False


@dataclass(frozen=True)
class Spellings:
    """SKUs of a file that the vendor's catalogue spells differently.

    `same` maps to another spelling, `zeros` to the SKU with the leading zeros that the file lost.
    """

    same: Mapping[str, str]
    zeros: Mapping[str, str]


@dataclass(frozen=True)
class Short:
    """A product whose stock for sale differs from the number its vendor stated, due to orders or a newer statement.

    `stands` is the number that was stated last.
    """

    sku: str
    stated: int
    left: int
    stands: int


@dataclass(frozen=True)
class UpsertCount:
    created: int
    updated: int
    unchanged: int
    short: tuple[Short, ...] = ()


@dataclass(frozen=True)
class Search:
    """A shopper's search: each condition narrows it; price limits are inclusive, in minor units.

    If `parts`, the words of `q` match beginnings of words, numbers and SKUs.
    """

    sort: Sort
    q: str | None = None
    department: str | None = None
    category: str | None = None
    brand: str | None = None
    vendor_id: UUID | None = None
    min_price: int | None = None
    max_price: int | None = None
    in_stock: bool = False
    parts: bool = False


@dataclass(frozen=True)
class Position:
    """The end of a page: the last product's sort key (rank, price or name) and id."""

    key: float | str
    product_id: UUID


@dataclass(frozen=True)
class Page:
    """A page of products. `next` is the cursor of the following page, or None on the last."""

    products: tuple[Product, ...]
    next: str | None


@dataclass(frozen=True)
class Terms:
    """A product's fields that its vendor may change.

    The default applies if `return_window_days` is None, or for a kind of return term that is missing.
    """

    vendor_id: UUID
    sku: str
    name: str
    brand: str
    department: str
    category: str
    description: str
    price_minor: int
    return_window_days: int | None
    return_terms: dict[str, Any]
    stock: int
    active: bool


@dataclass(frozen=True)
class Incoming:
    """A ProductChange with its ids, as one row of the upsert statement.

    `ordered` is how many units were ordered since the stock was counted, or None if unknown. If `repeated`, the number
    was stated before and newer statements are kept.
    """

    product_id: UUID
    vendor_id: UUID
    sku: str
    name: str
    brand: str
    category_id: UUID
    price_minor: int
    stock: int | None
    return_window_days: int | None
    description: str | None
    active: bool | None
    return_terms: Mapping[str, Any] | None
    ordered: int | None
    repeated: bool


@dataclass(frozen=True)
class Written:
    """A product that an upsert created or changed, or whose stock for sale differs from `stated`.

    `stands` is the number that was stated last.
    """

    vendor_id: UUID
    sku: str
    price_minor: int
    on_hand: int
    return_window_days: int | None
    return_terms: dict[str, Any] | None
    created: bool
    changed: bool
    stated: int | None
    stands: int | None


@dataclass(frozen=True)
class Earning:
    """The points that one unit would earn now, promotions included, and the day from which they can be spent."""

    points: int
    confirmed_on: date
    rule: str
