"""Tests of the hourly sales counts: late sales, repeated and reordered records, and days with a clock change."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import psycopg
import pytest

from app import logins
from app.ids import new_id
from app.insights.stream.models import By, Record
from app.signing import Role
from tests.conftest import Superuser
from tests.insights.conftest import Consumed, Streamed, apply
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
TABLES = ("hourly_sales", "hourly_area_sales", "sales_windows", "stream_baskets", "stream_progress", "stream_seen")


def aggregates(shop: Shop) -> bytes:
    """Return all rows that the stream's consumer stores, serialized in a fixed order."""
    with shop.db.snapshot() as session:
        contents = {table: session.rows(f"SELECT t::text FROM {table} t ORDER BY 1") for table in TABLES}
    return orjson.dumps(contents)


def windows(shop: Shop) -> list[tuple[int, int, bool, int]]:
    """Return (hour in UTC, version, final, number of orders) of every hourly count."""
    with shop.db.read() as session:
        rows = session.rows("SELECT hour, version, final, orders FROM sales_windows ORDER BY hour, version")
    return [(hour.astimezone(UTC).hour, *rest) for hour, *rest in rows]


def buy(shop: Shop, at: datetime, product: UUID, member: UUID) -> None:
    shop.clock.instant = at
    shop.order(member, (product, 1))


@pytest.fixture
def day(shop: Shop, streamed: Streamed) -> list[Record]:
    """Return the stream records of a day with 200 orders, one about every six minutes."""
    dice = random.Random(8)
    products = [shop.product() for _ in range(6)]
    members = shop.members(3)
    start = shop.clock.now().replace(hour=0, minute=0)
    for number in range(200):
        shop.clock.instant = start + timedelta(minutes=6 * number, seconds=dice.randrange(300))
        shop.order(dice.choice(members), *((product, 1) for product in dice.sample(products, dice.randint(1, 4))))
    return streamed()


def at(record: Record, otherwise: datetime) -> datetime:
    """Return when a record's order was placed; `otherwise` if the record is not an order."""
    order = orjson.loads(record.data)["payload"].get("revision", {}).get("data", {})
    return datetime.fromisoformat(order["placed_at"]) if isinstance(order, dict) and "placed_at" in order else otherwise


@pytest.mark.parametrize("seed", range(3))
def test_trial_8_replayed_twice_shuffled_and_from_the_middle_the_aggregates_are_equal_to_the_byte(
    shop: Shop, day: list[Record], superuser: Superuser, seed: int
) -> None:
    dice = random.Random(seed)
    times, newest = [], datetime(2026, 1, 1, tzinfo=UTC)
    for record in day:
        newest = at(record, newest)
        times.append(newest + timedelta(minutes=dice.uniform(0, 15)))
    shuffled = [record for _, _, record in sorted(zip(times, range(len(day)), day, strict=True))]
    assert shuffled != day
    while shuffled:
        size = dice.randint(1, 60)
        apply(shop.db, shuffled[:size], f"s-{dice.randrange(3)}")
        del shuffled[:size]
    first = aggregates(shop)
    assert len(windows(shop)) == 20
    assert {version for _, version, *_ in windows(shop)} == {1}
    for again in (day, day, day[len(day) // 2 :]):
        apply(shop.db, again)
        assert aggregates(shop) == first
    superuser.execute("TRUNCATE hourly_sales, hourly_area_sales, sales_windows, stream_baskets")
    superuser.execute("TRUNCATE stream_progress, stream_seen")
    for record in day:
        apply(shop.db, [record])
    assert aggregates(shop) == first


def test_an_hour_is_final_once_its_lateness_is_over_and_what_comes_then_makes_a_new_version(
    shop: Shop, consumed: Consumed
) -> None:
    product, member, noon = shop.product(), shop.member(), shop.clock.now().replace(hour=12)
    buy(shop, noon, product, member)
    buy(shop, noon + timedelta(minutes=74), product, member)
    consumed()
    assert windows(shop) == [(12, 1, False, 1), (13, 1, False, 1)]
    buy(shop, noon + timedelta(minutes=59), product, member)
    buy(shop, noon + timedelta(minutes=75), product, member)
    consumed()
    assert windows(shop) == [(12, 1, True, 2), (13, 1, False, 2)]
    buy(shop, noon + timedelta(minutes=1), product, member)
    consumed()
    assert windows(shop) == [(12, 1, True, 2), (12, 2, True, 3), (13, 1, False, 2)]
    buy(shop, noon + timedelta(minutes=2), product, member)
    buy(shop, noon - timedelta(minutes=2), product, member)
    consumed()
    assert windows(shop) == [(11, 1, True, 1), (12, 1, True, 2), (12, 2, True, 3), (12, 3, True, 4), (13, 1, False, 2)]


@pytest.mark.parametrize("change", ["final = false", "orders = 0", "version = 9"])
def test_a_final_mark_never_moves_back(shop: Shop, consumed: Consumed, change: str) -> None:
    product, member, noon = shop.product(), shop.member(), shop.clock.now()
    for minutes in (0, 120):
        buy(shop, noon + timedelta(minutes=minutes), product, member)
    consumed()
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="is final"), shop.db.write() as session:
        session.run(f"UPDATE sales_windows SET {change} WHERE final")


def test_the_answer_says_whether_it_may_change_still(shop: Shop, consumed: Consumed, caller: Calls) -> None:
    product, member, noon = shop.product(), shop.member(), shop.clock.now().replace(hour=12)
    analyst = caller(Role.ANALYST, new_id())

    def read_until(until: int) -> tuple[bool, int, int]:
        span = {"since": noon.isoformat(), "until": (noon + timedelta(hours=until)).isoformat()}
        answer = analyst.get("/insights/top-sellers", **span).json()
        return answer["final"], answer["corrected"], answer["sellers"][0]["units"]

    for minutes in (0, 100):
        buy(shop, noon + timedelta(minutes=minutes), product, member)
    consumed()
    assert (read_until(1), read_until(2)) == ((True, 0, 1), (False, 0, 2))
    buy(shop, noon + timedelta(minutes=3), product, member)
    consumed()
    assert (read_until(1), read_until(2)) == ((True, 1, 2), (False, 1, 3))


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25), ("2026-03-09", 24)], ids=["spring", "autumn", "usual"]
)
def test_a_local_day_is_whole_across_a_clock_change(
    shop: Shop, consumed: Consumed, caller: Calls, day: str, hours: int
) -> None:
    shop.program(time_zone="America/New_York")
    product, member = shop.product(), shop.member()
    begin = datetime.fromisoformat(f"{day}T00:30:00").replace(tzinfo=UTC) - timedelta(hours=6)
    for number in range(38):
        buy(shop, begin + timedelta(hours=number), product, member)
    consumed()
    analyst = caller(Role.ANALYST, new_id())
    following = (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()
    answer = analyst.get("/insights/top-sellers", since=day, until=following).json()
    assert answer["sellers"][0]["units"] == hours
    busy = analyst.get("/insights/busy-hours", since=day, until=following).json()["hours"]
    assert sum(hour["orders"] for hour in busy) == hours
    doubled = {hour["hour"] for hour in busy if hour["orders"] == 2}
    assert (len(busy), doubled) == {23: (23, set()), 25: (24, {1}), 24: (24, set())}[hours]


def test_sellers_of_an_hour_of_the_day_and_of_a_day_of_the_week(shop: Shop, consumed: Consumed, caller: Calls) -> None:
    shop.program(time_zone="America/New_York")
    tea, wine, member = shop.product(name="Tea"), shop.product(name="Wine", department="SPIRITS"), shop.member()
    monday = datetime(2026, 3, 2, 13, 10, tzinfo=UTC)  # 8 in the morning there
    for days in range(3):
        buy(shop, monday + timedelta(days=days), tea, member)
        buy(shop, monday + timedelta(days=days, hours=11), wine, member)
    consumed()
    analyst = caller(Role.ANALYST, new_id())

    def names(**query: Any) -> list[tuple[str, int]]:
        answer = analyst.get("/insights/top-sellers", since="2026-03-01", until="2026-03-09", **query).json()
        return [(seller["name"], seller["units"]) for seller in answer["sellers"]]

    assert names(hour_of_day=8) == [("Tea", 3)]
    assert names(hour_of_day=19, by="department") == [("SPIRITS", 3)]
    assert names(weekday=2, by="department") == [("GROCERY", 1), ("SPIRITS", 1)]
    assert names(hour_of_day=9) == []


def test_areas_are_added_up_and_orders_without_one_are_left_out(shop: Shop, streamed: Streamed, caller: Calls) -> None:
    member, product = shop.member(), shop.product()
    buyer = caller(Role.MEMBER, member)
    for area, units in (("store-1", 2), ("store-2", 5), ("store-1", 1), (None, 9)):
        body = {"lines": [{"product_id": str(product), "units": units}], **({"area": area} if area else {})}
        assert buyer.post("/orders", body).status_code == 201
    apply(shop.db, streamed())
    answer = caller(Role.ANALYST, new_id()).get(
        "/insights/top-sellers", by="area", until=(shop.clock.now() + timedelta(hours=1)).isoformat(), format="csv"
    )
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text.splitlines() == [
        "id,name,units,paid_minor,lines",
        "store-2,store-2,5,500,1",
        "store-1,store-1,3,300,2",
    ]


@pytest.mark.parametrize("by", By)
@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "returns first"])
def test_top_sellers_count_what_stayed_sold_in_the_hour_of_its_order(
    shop: Shop, streamed: Streamed, caller: Calls, by: By, *, backwards: bool
) -> None:
    noon = shop.clock.now().replace(hour=12, minute=5)
    kept, returned, halved = (
        shop.product(shop.vendor(), name=name, brand=name, department=name) for name in ("Kept", "Returned", "Halved")
    )
    shop.clock.instant = noon
    orders = [shop.order(shop.member(), (product, 5), area=str(product)) for product in (kept, returned, halved)]
    shop.clock.advance(hours=3)
    shop.give_back(orders[1], 2)
    shop.give_back(orders[1], 3)
    shop.give_back(orders[2], 3)
    records = streamed()
    for record in [*records[:: -1 if backwards else 1], *records]:
        apply(shop.under(logins.CONSUMING), [record])
    span = {"since": noon.replace(minute=0).isoformat(), "until": noon.replace(hour=13, minute=0).isoformat()}
    answer = caller(Role.ANALYST, new_id()).get("/insights/top-sellers", by=by, **span).json()
    assert [(seller["units"], seller["paid_minor"]) for seller in answer["sellers"]] == [(5, 500), (2, 500)]
    assert (answer["final"], answer["corrected"]) == (False, 0)
    with shop.db.read() as session:
        assert session.rows("SELECT orders, units, version FROM sales_windows") == [(3, 15, 1)]


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York"])
def test_a_sale_after_midnight_counts_on_its_day_and_in_its_hour(
    shop: Shop, consumed: Consumed, caller: Calls, zone: str
) -> None:
    shop.program(time_zone=zone)
    product, member = shop.product(), shop.member()
    midnight = datetime(2026, 3, 4, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    for minutes in (-1, 0, 10, 59, 60):
        buy(shop, midnight + timedelta(minutes=minutes), product, member)
    shop.give_back(shop.order(member, (product, 1)), 1)
    consumed()
    analyst = caller(Role.ANALYST, new_id())

    def units(since: str, until: str, **query: Any) -> list[int]:
        answer = analyst.get("/insights/top-sellers", since=since, until=until, **query).json()
        return [seller["units"] for seller in answer["sellers"]]

    assert units("2026-03-03", "2026-03-04") == [1]
    assert units("2026-03-04", "2026-03-05") == [4]
    assert units("2026-03-04", "2026-03-05", hour_of_day=0) == [3]
    assert units("2026-03-04", "2026-03-05", hour_of_day=1) == [1]
    busy = analyst.get("/insights/busy-hours", since="2026-03-03", until="2026-03-05").json()["hours"]
    assert [(hour["weekday"], hour["hour"], hour["orders"]) for hour in busy] == [(2, 23, 1), (3, 0, 3), (3, 1, 2)]


@pytest.mark.parametrize(("day", "minutes"), [("2026-04-05", 24 * 60 + 30), ("2026-10-04", 24 * 60 - 30)])
def test_a_day_on_which_the_clocks_change_by_half_an_hour_is_whole(
    shop: Shop, consumed: Consumed, caller: Calls, day: str, minutes: int
) -> None:
    zone = ZoneInfo("Australia/Lord_Howe")
    shop.program(time_zone=zone.key)
    product, member = shop.product(), shop.member()
    begin = datetime.fromisoformat(day).replace(tzinfo=zone).astimezone(UTC)
    local = []
    for number in range(-4, minutes // 15 + 4):
        at = begin + timedelta(minutes=15 * number)
        buy(shop, at, product, member)
        local.append(at.astimezone(zone))
    consumed()
    analyst = caller(Role.ANALYST, new_id())
    following = (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()
    top = analyst.get("/insights/top-sellers", since=day, until=following).json()
    assert [seller["units"] for seller in top["sellers"]] == [minutes // 15]
    busy = analyst.get("/insights/busy-hours", since=day, until=following).json()["hours"]
    expected = Counter(at.hour for at in local if at.date().isoformat() == day)
    assert {hour["hour"]: hour["orders"] for hour in busy} == expected


@pytest.mark.parametrize("path", ["top-sellers", "busy-hours"])
def test_an_answer_says_which_hours_it_took(shop: Shop, caller: Calls, path: str) -> None:
    shop.program(time_zone="Asia/Kathmandu")
    answer = (
        caller(Role.ANALYST, new_id())
        .get(f"/insights/{path}", since="2026-03-02T18:00:00Z", until="2026-03-02T20:20:00Z")
        .json()
    )
    assert (answer["since"], answer["until"]) == ("2026-03-02T18:15:00Z", "2026-03-02T21:15:00Z")
