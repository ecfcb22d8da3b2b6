"""What the catalogue holds. Prices are in minor units of the program's currency, windows in days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.catalog.return_terms import ReturnTerms

# What a catalogue's texts may be: printed on labels and kept in indexes, whose entries end at 2,700 bytes.
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
    """`return_terms` are those in force: of each kind the product's own, else its category's, else the program's."""

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
class Found:
    """A product with the key that its place in the search is sorted by: rank, price or name."""

    product: Product
    key: float | str


@dataclass(frozen=True)
class Category:
    """Its own terms: `return_window_days` is None, and a kind is not in `return_terms`, where the program's counts."""

    category_id: UUID
    department: str
    name: str
    return_window_days: int | None
    return_terms: dict[str, Any]


@dataclass(frozen=True)
class ProductChange:
    """What a vendor says a product shall be: one row of a feed, or a new product.

    None leaves as it is what the catalogue has; of a new product it means stock 0, the default window, active. Of
    `return_terms`, so does a kind that is not there.
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
    """What the numbers of a file mean that states stock.

    COUNTED is what lay on the shelf: orders that the count can't know of are taken from it. Those are the ones since
    the time of counting; where none is given, all since the product's stock was last stated, and a number that is
    stated again tells nothing new, nor does a file that came before. AVAILABLE is beyond the orders up to that time;
    where none is given, up to now.
    """

    COUNTED = "counted"
    AVAILABLE = "available"


@dataclass(frozen=True)
class StockTaking:
    """How numbers that state stock are taken: less what was `ordered` of each product since they were counted.

    None where that is not known. `repeated`: they were stated before; what was stated since stands.
    """

    ordered: Mapping[UUID, int] | None = None
    repeated: bool = False


@dataclass(frozen=True)
class Spellings:
    """SKUs that a vendor has in another spelling: `same` is the same one, `zeros` the one that begins with zeros."""

    same: Mapping[str, str]
    zeros: Mapping[str, str]


@dataclass(frozen=True)
class Short:
    """A product of which another number is left to sell than its vendor stated: orders since, or a newer statement.

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
    """What a shopper asked for: every condition narrows; prices are inclusive, in minor units.

    `parts`: the words of `q` are taken for beginnings of words, numbers and SKUs.
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
    """Where a page ended: the last product's sort key (rank, price or name) and id."""

    key: float | str
    product_id: UUID


@dataclass(frozen=True)
class Page:
    """`next` is the cursor of the page that follows; None on the last."""

    products: tuple[Product, ...]
    next: str | None


@dataclass(frozen=True)
class Terms:
    """What a vendor says of a product; `return_window_days` None, or a kind without a term, means the default."""

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
    """A ProductChange with its ids, as it goes to the database.

    `ordered` is how many units were ordered since the stock was counted; None where that is not known. `repeated`: the
    number was stated before, and what was stated since stands.
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
    """What an upsert made or changed, or left with another number to sell than was `stated`.

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
    """What buying one unit now would earn, promotions included, and the day from which it can be spent."""

    points: int
    confirmed_on: date
    rule: str
