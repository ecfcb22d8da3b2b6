"""From the orders' own hours: profile, forecast, and what to reserve."""

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
"""By it an hour is told where the clocks change by half an hour, and where the program's zone was another before."""
MOST_WEEKS, HELD_OUT, AHEAD = 52, 2, 2 * WEEK


def plan(session: Session, clock: Clock, until: datetime | None = None, times: float = 1) -> Plan:
    """From at most a year of hours before `until` (else the newest), as if there had been `times` as many orders.

    Raises BadInput where there are less than five weeks, two of which are held out to see how good the forecast is.
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
        reservations=[reservation(need, [times * one.orders for one in ahead], prices) for need in NEEDS],
    )


def _history(session: Session, until: datetime) -> list[Hour]:
    """Whole hours from the first order's on, those without orders too, in the program's zone."""
    here = programs.zone(session)
    end = hour_of(until, here)
    rows = session.rows(
        """SELECT DISTINCT ON (hour) hour, orders FROM sales_windows
           WHERE hour >= %s AND hour < %s ORDER BY hour, version DESC""",
        (end - timedelta(weeks=MOST_WEEKS), end),
    )
    if not rows:
        return []
    orders: Counter[datetime] = Counter()
    for begin, count in rows:
        orders[hour_of(begin + _LAST_MINUTE, here)] += count
    hours = [min(orders)]
    while hours[-1] < max(orders):
        hours.append(hour_after(hours[-1] + _LAST_MINUTE, here))
    return [Hour((at + _LAST_MINUTE).astimezone(here).replace(minute=0), orders[at]) for at in hours]


@cache
def _prices() -> dict[str, float]:
    said = yaml.safe_load(PRICES.read_text())["prices"]
    return {name: float(one["usd"]) for name, one in said.items() if "usd" in one}
