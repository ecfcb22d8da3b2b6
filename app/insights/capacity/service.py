"""Make the capacity plan from the orders of each hour, as counted from the ledger's Kinesis stream."""

from collections import Counter
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import yaml

from app.clock import Clock
from app.db import Session
from app.errors import BadInput, FieldError
from app.insights.capacity import forecasting
from app.insights.capacity.models import WEEK, Hour, Plan
from app.insights.capacity.reserving import NEEDS, reservation
from app.program import service as programs
from app.times import AN_HOUR, hour_after, hour_of

PRICES = Path(__file__).parent.parent / "prices.yaml"
_LAST_MINUTE = timedelta(minutes=59)
"""An hour's local time is read in its last minute, because a clock change by half an hour can fall within the hour."""
MOST_WEEKS, HELD_OUT, AHEAD = 52, 2, 2 * WEEK


def plan(session: Session, clock: Clock, until: datetime | None = None, times: float = 1) -> Plan:
    """Forecast orders from the year before `until` (default: now), and plan capacity for `times` the forecast orders.

    Forecast accuracy is measured on the last two weeks. Raises BadInput for less than five weeks of history, or if
    `times` is out of range.
    """
    if not 0 < times <= 1_000_000:
        raise BadInput("times must be above 0 and at most 1,000,000", [FieldError("times", "range", "0 to 1000000")])
    end = until or clock.now()
    history = _history(session, end)
    fewest = (forecasting.FEWEST_WEEKS + HELD_OUT) * WEEK
    if len(history) < fewest:
        raise BadInput(
            f"five weeks of orders are needed to plan, the year before {end:%Y-%m-%d} has {len(history) / WEEK:.1f}; "
            "`until` names another end"
        )
    ahead = forecasting.forecast(history, AHEAD)
    prices = _prices()
    return Plan(
        since=history[0].at,
        until=history[-1].at + AN_HOUR,
        times=times,
        profile=forecasting.profile(history),
        accuracy=forecasting.accuracy(history, HELD_OUT),
        forecast=ahead,
        reservations=[reservation(need, [times * hour.orders for hour in ahead], prices) for need in NEEDS],
    )


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
    return [Hour((at + _LAST_MINUTE).astimezone(zone).replace(minute=0), orders[at]) for at in hours]


@cache
def _prices() -> dict[str, float]:
    prices = yaml.safe_load(PRICES.read_text())["prices"]
    return {name: float(price["usd"]) for name, price in prices.items() if "usd" in price}
