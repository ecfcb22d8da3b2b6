"""Forecasting hourly orders: a week's shape, learned from all weeks, times the level of the last ones.

Last week repeated is the forecast to beat: it has the week's shape too, but with one week's noise. The shape here is a
mean of weeks, newer ones counting more (half as much every four weeks), and hours are drawn towards the same hour of
their kind of day; the interval widens with the square root of the orders, by how far the past was off.
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
    """The hours after the history's last. Raises BadInput where it has less than three weeks."""
    if len(history) < FEWEST_WEEKS * WEEK:
        raise BadInput(f"{FEWEST_WEEKS} weeks of orders are needed to forecast, there are {len(history) / WEEK:.1f}")
    shape, level = _shape(history), _level(history)
    spread = _spread(history)
    last = history[-1].at
    found = []
    for ahead in range(1, hours + 1):
        at = last + timedelta(hours=ahead)
        mean = level * shape[Hour(at, 0).of_week]
        off = _Z95 * math.sqrt(spread * max(mean, 0.5))
        found.append(Forecast(at, mean, max(0.0, mean - off), mean + off))
    return found


def accuracy(history: Sequence[Hour], weeks: int) -> Accuracy:
    """Each of the last weeks forecast from what came before it. Raises BadInput where too little is left before."""
    errors, naive, within = 0.0, 0.0, 0
    for held in range(weeks, 0, -1):
        past, coming = history[: len(history) - held * WEEK], history[len(history) - held * WEEK :][:WEEK]
        for told, was, last_week in zip(forecast(past, WEEK), coming, past[-WEEK:], strict=True):
            errors += abs(told.orders - was.orders)
            naive += abs(last_week.orders - was.orders)
            within += told.low <= was.orders <= told.high
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
    """By hour of the week, as a multiple of the mean hour."""
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
    """Weekend or not, and the hour of the day."""
    return of_week // 24 >= 5, of_week % 24


def _level(history: Sequence[Hour]) -> float:
    """Orders of the mean hour now."""
    weights = _weights(history, _LEVEL_HALF_LIFE)
    return sum(weight * hour.orders for hour, weight in zip(history, weights, strict=True)) / sum(weights)


def _spread(history: Sequence[Hour]) -> float:
    """How much more than a Poisson count's the last weeks' variance was around what came before would have forecast."""
    last = history[-FEWEST_WEEKS * WEEK :]
    before = history[: -FEWEST_WEEKS * WEEK]
    if len(before) < WEEK:  # not every hour of the week is in it
        before = history
    shape, level = _shape(before), _level(before)
    squares = [
        (hour.orders - level * shape[hour.of_week]) ** 2 / max(level * shape[hour.of_week], 0.5) for hour in last
    ]
    return max(1.0, sum(squares) / len(squares))
