"""Tests of the warehouse's queries on small shops with known results, and of their syntax in Redshift's dialect."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlglot

import app.insights.warehouse as package
from app.ids import new_id
from app.insights.warehouse.thresholds import LEAST_MEMBERS
from app.orders import placing
from app.orders.models import LineDraft, OrderDraft, Request
from tests.conftest import SettableClock
from tests.insights.warehouse.conftest import House
from tests.shop import Shop

FOLDER = Path(str(package.__file__)).parent
FILES = sorted(FOLDER.rglob("*.sql"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_redshift_can_read_it(path: Path) -> None:
    parsed = sqlglot.parse(path.read_text(), read="redshift", error_level=sqlglot.ErrorLevel.RAISE)
    kinds = {type(statement).__name__ for statement in parsed if statement is not None}
    assert kinds <= ({"Command", "Create", "Analyze"} if path.parent == FOLDER else set()) | {
        *("Select", "Insert", "Delete", "Create", "Semicolon")
    }
    text = path.read_text().upper()
    for word in ("FILTER (", "::", "DISTINCT ON", "LATERAL", "GENERATE_SERIES", "STRING_AGG", "CREATE FUNCTION"):
        assert word not in text, word


def buy(shop: Shop, member: UUID, area: str, *lines: tuple[UUID, int]) -> None:
    request = Request(
        member, OrderDraft(tuple(LineDraft(*line) for line in lines), area=area), shop.clock.now(), new_id()
    )
    with shop.db.write() as session:
        placing.place_all(session, [request])


def test_segments_are_those_that_the_purchases_make(shop: Shop, house: House) -> None:
    """Ten members bought once, cheaply and long ago; ten buy often, expensively and recently."""
    cheap, middle, dear = (shop.product(price_minor=price, sku=f"p{price}") for price in (100, 200, 900))
    sleepers, champions = shop.members(10), shop.members(10)
    for member in sleepers:
        buy(shop, member, "north", (cheap, 1))
    buy(shop, champions[0], "north", (middle, 1))
    shop.clock.advance(days=60)
    for _ in range(3):
        for member in champions:
            buy(shop, member, "north", (dear, 2))
    house.bring_up()
    sizes = {(row[0], row[1]): row[2:] for row in house.model("segment_sizes")}
    assert sizes["rfm", "sleeping"] == (10, 10, 1_000)
    profiles = dict(house.ask("SELECT member_id, price_range FROM warehouse.member_profile"))
    assert {profiles[str(member)] for member in sleepers} == {"economic"}
    assert {profiles[str(member)] for member in champions[1:]} == {"image"}
    leaning = {row[1:3]: row[7] for row in house.model("price_ranges") if row[0] == "rfm"}
    assert leaning["sleeping", "economic"] > 10
    assert house.ask("SELECT DISTINCT volume FROM warehouse.member_profile WHERE price_range = 'economic'") == [
        ("low",)
    ]


def test_a_brand_that_a_segment_prefers_has_affinity(shop: Shop, house: House) -> None:
    plain, fine = shop.product(brand="Plain", price_minor=100), shop.product(brand="Fine", price_minor=900)
    many, few = shop.members(12), shop.members(12)
    for member in many:
        buy(shop, member, "north", (plain, 20))
    for member in few:
        buy(shop, member, "north", (fine, 20))
    house.bring_up()
    affinity = {row[1:3]: row[7] for row in house.model("brands") if row[0] == "volume"}
    assert affinity["middle", "Fine"] > 1.3
    assert affinity["low", "Plain"] > 1.3
    assert ("low", "Fine") not in affinity, "nobody of that segment bought it"


def test_a_season_is_found_and_what_is_sparse_is_left_out(shop: Shop, house: House, clock: SettableClock) -> None:
    """A product sells one unit a day, and three a day in July: July's index is 3 × 365 / 427 before smoothing."""
    ice, bread, rare = (
        shop.product(brand="Ice", department="FROZEN", category="ICE"),
        shop.product(brand="Loaf", department="BAKERY", category="BREAD"),
        shop.product(brand="Rare", department="BAKERY", category="CAKE"),
    )
    member = shop.member()
    start = datetime(2025, 1, 1, 17, tzinfo=UTC)
    for first in range(0, 365, 20):
        with shop.db.write() as session:
            requests = []
            for number in range(first, min(first + 20, 365)):
                at = start + timedelta(days=number)
                lines = (LineDraft(ice, 3 if at.month == 7 else 1), LineDraft(bread, 4))
                requests.append(Request(member, OrderDraft(lines), at, new_id()))
            placing.place_all(session, requests)
    clock.instant = start
    buy(shop, member, "north", (rare, 2))
    clock.instant = start + timedelta(days=400)
    house.bring_up()
    indices = {row[:4]: row[5] for row in house.model("seasonal")}
    everything = {month: indices["all", "all", "month", month] for month in (1, 7)}
    share = 31 / 365
    july = (93 + 50 * share * everything[7]) / (427 * share + 50 * share)
    assert indices["department", "FROZEN", "month", 7] == pytest.approx(july, abs=1e-9)
    assert indices["brand", "Ice", "month", 7] == pytest.approx(july, abs=1e-9)
    product = (93 + 50 * share * july) / (427 * share + 50 * share)
    assert indices["product", str(ice), "month", 7] == pytest.approx(product, abs=1e-9)
    assert product > 2
    assert indices["department", "FROZEN", "month", 1] < 1
    assert not any(key[1] == "Rare" for key in indices)


def test_months_without_any_sale_are_no_season(shop: Shop, house: House, clock: SettableClock) -> None:
    """90 units are sold in January 2017 and 90 in November 2026, with nothing in between."""
    tea, member = shop.product(department="HOT", category="TEA"), shop.member()
    for at, units in ((datetime(2017, 1, 22, 17, tzinfo=UTC), 90), (datetime(2026, 11, 10, 17, tzinfo=UTC), 90)):
        with shop.db.write() as session:
            placing.place_all(session, [Request(member, OrderDraft((LineDraft(tea, units),)), at, new_id())])
    clock.instant = datetime(2026, 11, 12, tzinfo=UTC)
    house.bring_up()
    indices = {row[3]: row[5] for row in house.model("seasonal") if row[:3] == ("all", "all", "month")}
    assert indices == {1: pytest.approx(1.0), 11: pytest.approx(1.0)}


def test_a_cell_of_few_members_is_not_told_nor_can_it_be_subtracted(shop: Shop, house: House) -> None:
    """Sales by area and brand of fewer than ten members stay hidden, also where totals would reveal them."""
    brands = {name: shop.product(brand=name, sku=name) for name in ("A", "B", "C", "D")}
    buyers = {
        ("north", "A"): 30, ("north", "B"): 20, ("north", "C"): 3, ("north", "D"): 14,
        ("south", "A"): 25, ("south", "B"): 18, ("south", "C"): 16, ("south", "D"): 12,
        ("east", "A"): 22, ("east", "B"): 19, ("east", "C"): 15, ("east", "D"): 11,
    }  # fmt: skip
    crowd = shop.members(30)
    for (area, brand), number in buyers.items():
        for member in crowd[:number]:
            buy(shop, member, area, (brands[brand], 1))
    house.bring_up()
    rows = [row for row in house.model("areas") if row[1] == "brand"]
    shown = {(row[0], row[2]): row[3] for row in rows}
    assert all(members >= LEAST_MEMBERS for members in shown.values())
    assert ("north", "C") not in shown
    shown_north = {key for area, key in shown if area == "north"} - {"(others)"}
    shown_c = [area for area, key in shown if key == "C"]
    assert len(shown_north) <= 2, "two cells at least are hidden of the area"
    assert len(shown_c) <= 1, "and two at least of the brand"
    assert sum(row[4] for row in rows if row[0] == "north") == 67


def test_totals_of_years_add_up_whatever_is_hidden(shop: Shop, house: House) -> None:
    common, rare = shop.product(brand="Common"), shop.product(brand="Rare")
    crowd = shop.members(12)
    for member in crowd:
        buy(shop, member, "north", (common, 2))
    buy(shop, crowd[0], "north", (rare, 5))
    house.bring_up()
    rows = house.model("years")
    [everything] = [row for row in rows if row[1] == "all"]
    brands = [row for row in rows if row[1] == "brand"]
    assert everything[3:] == (12, 29, 29, 2_900)
    assert [(row[2], row[5]) for row in brands] == [("(others)", 29)]


def test_money_that_came_back_is_split_half_even(shop: Shop, house: House) -> None:
    """A refund for some units of an order line is their share of the line's price."""
    product = shop.product(price_minor=5)
    member = shop.member()
    for units, back in ((2, 1), (6, 3), (4, 1)):
        shop.give_back(shop.order(member, (product, units)), back)
    house.bring_up()
    kept = house.ask("SELECT sold_units, revenue_minor FROM warehouse.net_sales ORDER BY sold_units")
    assert kept == [(2, 5), (4, 15), (6, 15)]
