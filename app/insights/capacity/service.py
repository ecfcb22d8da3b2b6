"""Make the capacity plan from the orders of each hour, as counted from the ledger's Kinesis stream."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import yaml

from app.clock import Clock
from app.db import Session
from app.errors import BadInput, FieldError
from app.insights.capacity import forecasting
from app.insights.capacity.models import WEEK, Forecast, Hour, Plan
from app.insights.capacity.reserving import NEEDS, reservation
from app.program import service as programs
from app.times import AN_HOUR, hour_after, hour_of

PRICES = Path(__file__).parent.parent / "prices.yaml"
_LAST_MINUTE = timedelta(minutes=59)
"""An hour's local time is read in its last minute, because a clock change by half an hour can fall within the hour."""
MOST_WEEKS, HELD_OUT, AHEAD = 52, 2, 2 * WEEK
FEWEST_HOURS = (forecasting.FEWEST_WEEKS + HELD_OUT) * WEEK
_DAY = timedelta(days=1)


def plan(session: Session, clock: Clock, until: datetime | None = None, times: float = 1) -> Plan:
    """Forecast orders from the year before `until` (default: now), and plan capacity for `times` the forecast orders.

    Forecast accuracy is measured on the last two weeks. Raises BadInput for less than five weeks of history, or if
    `times` is out of range.
    """
    if not 0 < times <= 1_000_000:
        raise BadInput("times must be above 0 and at most 1,000,000", [FieldError("times", "range", "0 to 1000000")])
    end = until or clock.now()
    history = _history(session, end)
    if len(history) < FEWEST_HOURS:
        raise BadInput(
            f"five weeks of orders are needed to plan, the year before {end:%Y-%m-%d} has {len(history) / WEEK:.1f}; "
            "`until` names another end"
        )
    ahead = forecasting.forecast(history, AHEAD)
    usd = prices()
    return Plan(
        since=history[0].at,
        until=history[-1].at + AN_HOUR,
        times=times,
        profile=forecasting.profile(history),
        accuracy=forecasting.accuracy(history, HELD_OUT),
        forecast=ahead,
        reservations=[reservation(need, [times * hour.orders for hour in ahead], usd) for need in NEEDS],
    )


def expected(session: Session, since: datetime, until: datetime, usual: float) -> list[Forecast]:
    """Return the orders expected in each hour of [since, until), in the loyalty program's zone.

    They are forecast from the orders before `since`. With less than five weeks of orders, or none in the last week of
    them, each hour gets the mean of the day before `since` or, if that day had none, `usual` orders.
    """
    zone, history = programs.zone(session), _history(session, since)
    hours = [hour_of(since, zone)]
    while (following := hour_after(hours[-1], zone)) < until:
        hours.append(following)
    local = [_local(hour, zone) for hour in hours]
    if len(history) < FEWEST_HOURS or history[-1].at < since - 7 * _DAY:
        mean = sum(hour.orders for hour in history if hour.at >= since - _DAY) / 24 or usual
        return [Forecast(at, mean, mean, mean) for at in local]
    ahead = forecasting.forecast(history, (until - history[-1].at) // AN_HOUR + 2)
    # By clock time, since a forecast counts on with hours that a clock change leaves out or repeats.
    by_clock = {hour.at.replace(tzinfo=None): hour for hour in ahead}
    return [replace(by_clock[at.replace(tzinfo=None, fold=0)], at=at) for at in local]


def _local(hour: datetime, zone: ZoneInfo) -> datetime:
    return (hour + _LAST_MINUTE).astimezone(zone).replace(minute=0)


def _history(session: Session, until: datetime) -> list[Hour]:
    """Return the hourly orders, zeros included, of up to a year before `until`, in the loyalty program's time zone."""
    zone = programs.zone(session)
    end = hour_of(until, zone)
    rows = session.rows(
        """SELECT DISTINCT ON (hour) hour, orders FROM sales_windows
           WHERE hour >= %s AND hour < %s ORDER BY hour, version DESC""",
        (end - timedelta(weeks=MOST_WEEKS), end),
    )
    if not rows:
        return []
    orders: Counter[datetime] = Counter()
    for begin, count in rows:
        orders[hour_of(begin + _LAST_MINUTE, zone)] += count
    hours = [min(orders)]
    while hours[-1] < max(orders):
        hours.append(hour_after(hours[-1] + _LAST_MINUTE, zone))
    return [Hour(_local(at, zone), orders[at]) for at in hours]


@cache
def prices() -> dict[str, float]:
    """Return AWS's list prices in US dollars, by the names in prices.yaml."""
    rows = yaml.safe_load(PRICES.read_text())["prices"]
    return {name: float(price["usd"]) for name, price in rows.items() if "usd" in price}
