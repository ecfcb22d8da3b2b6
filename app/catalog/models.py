"""Products, categories, stock and product searches. Prices are in minor units, return windows in days."""

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
    """A product. `return_terms` has, for each kind, the product's own term, else its category's, else the program's."""

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
    """A product found by a search, with the value it is sorted by: rank, price or name."""

    product: Product
    key: float | str


@dataclass(frozen=True)
class Category:
    """A category with its return terms. For kinds of terms that the category lacks, the program's terms apply."""

    category_id: UUID
    department: str
    name: str
    return_window_days: int | None
    return_terms: dict[str, Any]


@dataclass(frozen=True)
class ProductChange:
    """A vendor's new product or change of a product, for example a row of a feed.

    Fields that are None, and kinds of terms that `return_terms` lacks, keep the stored value. For a new product
    they mean: stock 0, active, and its category's return terms.
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
    """What a stock number in a vendor's file means: `counted` units on the shelf, or `available` units left for sale.

    Units ordered after the count are subtracted from the number. If the time of the count is unknown, nothing is
    subtracted from an `available` number. From a `counted` one, units ordered since the product's last stock number are
    subtracted.
    """

    COUNTED = "counted"
    AVAILABLE = "available"


@dataclass(frozen=True)
class StockTaking:
    """How a vendor's stock numbers are converted into stock for sale.

    `ordered` maps product ids to the units ordered since the count, to be subtracted. It is None if the time of the
    count is unknown: then the units ordered since the product's last stock number are subtracted. `repeated` is true if
    the same file was sent before: then its numbers apply only to products without a stock number.
    """

    ordered: Mapping[UUID, int] | None = None
    repeated: bool = False


@dataclass(frozen=True)
class Spellings:
    """Maps SKUs to stored SKUs: `same` if only case or spaces differ, `zeros` if only leading zeros are missing."""

    same: Mapping[str, str]
    zeros: Mapping[str, str]


@dataclass(frozen=True)
class Short:
    """A product of a feed whose units for sale (`left`) aren't the number `stated` in the feed: some were ordered.

    `left` is `stands` less the units ordered since. `stands` is normally `stated`; if the vendor stated the same stock
    before, it is the number stored then.
    """

    sku: str
    stated: int
    left: int
    stands: int


@dataclass(frozen=True)
class UpsertCount:
    """Numbers of products created, updated and unchanged; `short` lists those whose stock isn't as stated."""

    created: int
    updated: int
    unchanged: int
    short: tuple[Short, ...] = ()


@dataclass(frozen=True)
class Search:
    """A product search. Price limits are inclusive. If `parts`, words of `q` match beginnings of words and SKUs."""

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
    """Where a page of products ends: the last product's id and the value that it is sorted by (rank, price or name)."""

    key: float | str
    product_id: UUID


@dataclass(frozen=True)
class Page:
    """A page of products. `next` is the cursor of the following page, or None on the last."""

    products: tuple[Product, ...]
    next: str | None


@dataclass(frozen=True)
class Written:
    """A product that an upsert created or changed, or whose stock differs from the number that the vendor stated.

    `stated` is the stock number in this upsert. `stands` is the number from which ordered units were subtracted: the
    same, or the stored one if the vendor stated the stock before.
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
    """The points that one unit of a product would earn now, with promotions; they can be spent from `confirmed_on`."""

    points: int
    confirmed_on: date
    rule: str
