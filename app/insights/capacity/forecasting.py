"""Forecast hourly orders: the week's shape, learned from all weeks, times the level of the last weeks.

The baseline is last week repeated, which has one week's noise. The shape is a mean of weeks with a half-life of four
weeks, and each hour is shrunk towards the same hour of other weekdays or weekend days. The interval grows with the
square root of the orders, by the errors of past forecasts.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from app.errors import BadInput
from app.insights.capacity.models import WEEK, Accuracy, Forecast, Hour, Profile

FEWEST_WEEKS = 3
_HALF_LIFE, _LEVEL_HALF_LIFE = 4 * WEEK, 2 * WEEK
_PRIOR = 0.7  # weeks' worth of the hour's kind
_Z95 = 1.96


def forecast(history: Sequence[Hour], hours: int) -> list[Forecast]:
    """Forecast the hours after the history's last. Raises BadInput for less than three weeks of history."""
    if len(history) < FEWEST_WEEKS * WEEK:
        raise BadInput(f"{FEWEST_WEEKS} weeks of orders are needed to forecast, there are {len(history) / WEEK:.1f}")
    shape, level = _shape(history), _level(history)
    spread = _spread(history)
    last = history[-1].at
    forecasts = []
    for ahead in range(1, hours + 1):
        at = last + timedelta(hours=ahead)
        mean = level * shape[Hour(at, 0).of_week]
        off = _Z95 * math.sqrt(spread * max(mean, 0.5))
        forecasts.append(Forecast(at, mean, max(0.0, mean - off), mean + off))
    return forecasts


def accuracy(history: Sequence[Hour], weeks: int) -> Accuracy:
    """Forecast each of the last weeks from the hours before it. Raises BadInput if too few hours are left."""
    errors, naive, within = 0.0, 0.0, 0
    for held in range(weeks, 0, -1):
        past, coming = history[: len(history) - held * WEEK], history[len(history) - held * WEEK :][:WEEK]
        for predicted, actual, last_week in zip(forecast(past, WEEK), coming, past[-WEEK:], strict=True):
            errors += abs(predicted.orders - actual.orders)
            naive += abs(last_week.orders - actual.orders)
            within += predicted.low <= actual.orders <= predicted.high
    hours = weeks * WEEK
    return Accuracy(weeks, errors / hours, naive / hours, errors / naive if naive else math.inf, within / hours)


def profile(history: Sequence[Hour]) -> Profile:
    orders = sorted(hour.orders for hour in history)
    mean = sum(orders) / len(orders)
    idle = sum(count < mean / 2 for count in orders) / len(orders)
    return Profile(len(orders), mean, orders[int(0.99 * (len(orders) - 1))], orders[-1], idle)


def _weights(history: Sequence[Hour], half_life: float) -> list[float]:
    return [0.5 ** ((len(history) - 1 - place) / half_life) for place in range(len(history))]


def _shape(history: Sequence[Hour]) -> dict[int, float]:
    """Return each hour of the week's orders as a multiple of the mean hour's."""
    sums: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    kinds: dict[tuple[bool, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for hour, weight in zip(history, _weights(history, _HALF_LIFE), strict=True):
        for cell in (sums[hour.of_week], kinds[_kind(hour.of_week)]):
            cell[0] += weight * hour.orders
            cell[1] += weight
    means = {kind: orders / weight for kind, (orders, weight) in kinds.items()}
    drawn = {
        place: (sums[place][0] + _PRIOR * means[_kind(place)]) / (sums[place][1] + _PRIOR) for place in range(WEEK)
    }
    whole = sum(drawn.values()) / WEEK or 1.0
    return {place: mean / whole for place, mean in drawn.items()}


def _kind(of_week: int) -> tuple[bool, int]:
    """Return whether an hour of the week is at the weekend, and its hour of the day."""
    return of_week // 24 >= 5, of_week % 24


def _level(history: Sequence[Hour]) -> float:
    """Return the recent mean of orders an hour."""
    weights = _weights(history, _LEVEL_HALF_LIFE)
    return sum(weight * hour.orders for hour, weight in zip(history, weights, strict=True)) / sum(weights)


def _spread(history: Sequence[Hour]) -> float:
    """Return the last weeks' variance around a forecast from earlier hours, as a multiple of a Poisson count's."""
    last = history[-FEWEST_WEEKS * WEEK :]
    before = history[: -FEWEST_WEEKS * WEEK]
    if len(before) < WEEK:  # not every hour of the week is in it
        before = history
    shape, level = _shape(before), _level(before)
    squares = [
        (hour.orders - level * shape[hour.of_week]) ** 2 / max(level * shape[hour.of_week], 0.5) for hour in last
    ]
    return max(1.0, sum(squares) / len(squares))
