"""Tests of the planning of floors: their height, their hours, and the limit of money."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.floors.models import Floor, Limits, Plan, Spent
from app.floors.planning import LEAD, MOST_FLOORS, SPIKE, pods
from app.floors.planning import plan as plan_after
from app.insights.capacity.models import Forecast
from app.offers.models import Announced
from app.processes import services
from app.times import AN_HOUR
from app.work import ORDER, SEARCH

ZONE = ZoneInfo("America/New_York")
DAY = date(2026, 11, 27)
MIDNIGHT = datetime(2026, 11, 27, tzinfo=ZONE)
NOON = (MIDNIGHT + timedelta(hours=12)).astimezone(UTC)
SERVICES = {name: service.routers for name, service in services(apart=("promotion", "item", "insights")).items()}
LIMITS = Limits(SERVICES, least=3, most=30, usd_a_day=1_000, pod_hour_usd=0.01)


def plan(announced: Sequence[Announced], hours: Sequence[Forecast], limits: Limits, now: datetime) -> Plan:
    """Return the plan of a day whose floors have cost nothing yet."""
    return plan_after(announced, hours, limits, now, Spent(hours[0].at, 0))


def expected(orders: Sequence[float] = (60_000,) * 48) -> list[Forecast]:
    return [Forecast(MIDNIGHT + hour * AN_HOUR, count, count / 2, count * 1.1) for hour, count in enumerate(orders)]


def promotion(times: int = 10, at: datetime = NOON, hours: float = 24, number: int = 1) -> Announced:
    return Announced(UUID(int=number), at, at + hours * AN_HOUR, times)


def height(planned: Plan, service: str, at: datetime) -> int:
    """Return a service's floor at an instant; the least replicas if it has none."""
    heights = [each.replicas for each in planned.floors if each.service == service and each.since <= at < each.until]
    assert len(heights) <= 1
    return heights[0] if heights else LIMITS.least


def usd_of(planned: Plan, day: date) -> float:
    """Return what the pods above the least cost in the 24 hours of a day."""
    begin = datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)
    hours = [
        (min(each.until, begin + 24 * AN_HOUR) - max(each.since, begin)) / AN_HOUR * (each.replicas - LIMITS.least)
        for each in planned.floors
    ]
    return sum(hour for hour in hours if hour > 0) * LIMITS.pod_hour_usd


def test_a_service_has_the_pods_that_its_share_of_the_requests_needs() -> None:
    # 36,000 orders an hour are 10 a second with 90 searches, half as many again at times, on pods that work for 0.15 s
    # in a second.
    assert pods(["catalog"], 36_000) == -(-150 * 0.70 * SEARCH.api // 0.15)
    assert pods(["orders"], 36_000) == -(-150 * 0.10 * ORDER.api // 0.15)
    assert pods(["vendors", "insights", "ledger"], 36_000_000) == 0
    assert pods(["catalog"], 0) == 0


def test_a_promotion_raises_the_floor_before_it_begins_and_for_the_hours_of_the_spike() -> None:
    planned = plan([promotion(at=NOON + timedelta(minutes=7))], expected(), LIMITS, NOON)
    [catalog] = [each for each in planned.floors if each.service == "catalog" and "promotion" in each.why]
    assert (catalog.since, catalog.until) == (NOON + timedelta(minutes=7) - LEAD, NOON + timedelta(minutes=7) + SPIKE)
    assert catalog.replicas == min(30, pods(["catalog"], 600_000)) > 20
    assert catalog.why == f"promotion {UUID(int=1)} expects 10 times the usual load"
    assert catalog.usd == pytest.approx((catalog.replicas - 3) * 2.25 * 0.01)
    assert not planned.limited


def test_a_promotion_that_ends_sooner_has_its_floor_no_longer() -> None:
    planned = plan([promotion(hours=0.5)], expected(), LIMITS, NOON)
    assert {each.until for each in planned.floors if "promotion" in each.why} == {NOON + AN_HOUR / 2}


def test_promotions_that_overlap_add_up() -> None:
    both = plan([promotion(3), promotion(2, NOON + AN_HOUR, number=2)], expected(), LIMITS, NOON)
    assert height(both, "catalog", NOON) == pods(["catalog"], 180_000)
    assert height(both, "catalog", NOON + AN_HOUR) == pods(["catalog"], 240_000)
    assert height(both, "catalog", NOON + 2 * AN_HOUR) == pods(["catalog"], 120_000)
    [why] = {each.why for each in both.floors if each.since <= NOON + AN_HOUR < each.until}
    assert why == f"promotion {UUID(int=1)} expects 3 times the usual load, and 1 more do"


def test_a_promotions_own_deployment_has_a_floor_for_the_orders_that_promotions_bring() -> None:
    planned = plan([promotion(5)], expected(), LIMITS, NOON)
    assert height(planned, "offers-promotion", NOON) == pods(SERVICES["offers-promotion"], 240_000)
    assert {each.service for each in planned.floors} <= {"catalog", "orders", "rewards", "offers-promotion"}
    assert "offers-promotion" not in {each.service for each in plan([], expected((400_000,) * 48), LIMITS, NOON).floors}


def test_the_forecasts_upper_bound_alone_raises_floors_and_equal_hours_are_one() -> None:
    orders = [*(1_000,) * 18, *(200_000,) * 3, *(1_000,) * 27]
    planned = plan([], expected(orders), LIMITS, NOON)
    [catalog] = [each for each in planned.floors if each.service == "catalog"]
    evening = (MIDNIGHT + 18 * AN_HOUR).astimezone(UTC)
    assert catalog == Floor(
        "catalog",
        pods(["catalog"], 220_000.0),
        evening,
        evening + 3 * AN_HOUR,
        "the forecast expects up to 220,000 orders an hour",
        catalog.usd,
    )
    assert catalog.usd == pytest.approx((catalog.replicas - 3) * 3 * 0.01)


def test_the_day_on_which_clocks_are_set_back_has_25_hours() -> None:
    begin = datetime(2026, 11, 1, tzinfo=ZONE)
    hours = [(begin.astimezone(UTC) + number * AN_HOUR).astimezone(ZONE) for number in range(49)]
    planned = plan([], [Forecast(at, 90_000, 0, 90_000) for at in hours], LIMITS, begin.astimezone(UTC))
    [catalog] = [each for each in planned.floors if each.service == "catalog"]
    assert catalog.until - catalog.since == timedelta(hours=49)


def test_a_limit_of_nothing_switches_floors_off_and_says_nothing() -> None:
    assert plan([promotion()], expected(), replace(LIMITS, usd_a_day=0), NOON) == Plan([], limited=False)


@pytest.mark.parametrize(("spent", "left"), [(0.0, 0.2), (0.08, 0.12), (0.2, 0.0), (0.4, 0.0)])
def test_what_today_has_cost_already_is_left_out_of_its_limit_and_not_of_tomorrows(spent: float, left: float) -> None:
    limits = replace(LIMITS, usd_a_day=0.2, services={"catalog": ("catalog",)})
    both = [promotion(20, NOON - AN_HOUR / 2), promotion(20, NOON + 24 * AN_HOUR, number=2)]
    planned = plan_after(both, expected((20_000,) * 48), limits, NOON, Spent(NOON, spent))
    rest = sum((each.until - NOON) / AN_HOUR * (each.replicas - 3) for each in planned.floors if each.since < NOON)
    assert 0.8 * left <= rest * limits.pod_hour_usd <= left
    assert 0.16 <= usd_of(planned, DAY + timedelta(days=1)) <= 0.2
    assert planned.limited


ANNOUNCED = st.lists(
    st.builds(
        promotion,
        times=st.integers(1, 100),
        at=st.integers(-48 * 60, 72 * 60).map(lambda minute: NOON + timedelta(minutes=minute)),
        hours=st.floats(0.1, 500),
        number=st.integers(1, 1_000_000),
    ),
    max_size=6,
    unique_by=lambda each: each.offer_id,
)
ORDERS = st.lists(st.floats(0, 1_000_000), min_size=48, max_size=48)
LOOKS = st.integers(0, 24 * 60 - 1).map(lambda minute: MIDNIGHT.astimezone(UTC) + timedelta(minutes=minute))


@settings(deadline=None)
@given(ANNOUNCED, ORDERS, st.floats(0.01, 20), LOOKS)
def test_floors_keep_to_their_limits(
    announced: list[Announced], orders: list[float], usd_a_day: float, now: datetime
) -> None:
    limits = replace(LIMITS, usd_a_day=usd_a_day)
    free, planned = (plan(announced, expected(orders), each, now) for each in (LIMITS, limits))
    assert len(planned.floors) <= MOST_FLOORS
    for each in planned.floors:
        assert limits.least < each.replicas <= limits.most
        assert each.since < each.until > now
        assert each.until <= MIDNIGHT + 48 * AN_HOUR
    for before, after in pairwise(planned.floors):
        assert before.service != after.service or before.until <= after.since
    whole = plan(announced, expected(orders), limits, MIDNIGHT)
    assert all(usd_of(whole, DAY + timedelta(days=ahead)) <= usd_a_day + 1e-6 for ahead in (0, 1))
    assert sum(each.usd for each in planned.floors) <= 2 * usd_a_day + 1e-6
    if not planned.limited:
        assert planned == free


@settings(deadline=None)
@given(ANNOUNCED, ORDERS, LOOKS)
def test_no_floor_is_lower_than_what_its_time_needs(
    announced: list[Announced], orders: list[float], now: datetime
) -> None:
    planned = plan(announced, expected(orders), LIMITS, now)
    assert not planned.limited
    for quarter in range(48 * 4):
        at = MIDNIGHT.astimezone(UTC) + quarter * AN_HOUR / 4
        if at < now:
            continue
        usual = orders[quarter // 4]
        times = sum(
            each.expected_times - 1
            for each in announced
            if each.starts_at - LEAD <= at < min(each.ends_at, each.starts_at + SPIKE)
        )
        needed = pods(["catalog"], max(usual * 1.1, usual + usual * times))
        assert height(planned, "catalog", at) >= min(needed, LIMITS.most)


@settings(deadline=None)
@given(ANNOUNCED, ORDERS, st.floats(0.01, 20), LOOKS)
def test_a_later_look_at_the_same_announcements_plans_the_same_but_what_is_over(
    announced: list[Announced], orders: list[float], usd_a_day: float, now: datetime
) -> None:
    limits = replace(LIMITS, usd_a_day=usd_a_day)
    first, later = (plan(announced, expected(orders), limits, at) for at in (MIDNIGHT, now))
    assert later.floors == [each for each in first.floors if each.until > now]
