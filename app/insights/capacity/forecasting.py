"""Forecast hourly orders: a weekly pattern, multiplied by the recent mean number of orders an hour.

The pattern is a mean of past weeks; a week counts half as much as one that is four weeks newer. Each hour of the week
is averaged with the same hour on the other days from Monday to Friday, or on the other day of the weekend. The width of
the 95 % interval grows with the square root of the forecast, and with the errors of past forecasts. As a comparison,
accuracy is also measured for a forecast that only repeats last week.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from app.errors import BadInput
from app.insights.capacity.models import WEEK, Accuracy, Forecast, Hour, Profile

FEWEST_WEEKS = 3
_HALF_LIFE, _LEVEL_HALF_LIFE = 4 * WEEK, 2 * WEEK
_PRIOR = 0.7  # weight, in weeks, of the mean of the same hour on other weekdays or weekend days
_Z95 = 1.96


def forecast(history: Sequence[Hour], hours: int) -> list[Forecast]:
    """Forecast orders for the next `hours` hours. Raises BadInput for less than three weeks of history."""
    if len(history) < FEWEST_WEEKS * WEEK:
        raise BadInput(f"{FEWEST_WEEKS} weeks of orders are needed to forecast, there are {len(history) / WEEK:.1f}")
    shape, level, spread = _shape(history), _level(history), _spread(history)
    forecasts = []
    for ahead in range(1, hours + 1):
        at = history[-1].at + timedelta(hours=ahead)
        mean = level * shape[Hour(at, 0).of_week]
        margin = _Z95 * math.sqrt(spread * max(mean, 0.5))
        forecasts.append(Forecast(at, mean, max(0.0, mean - margin), mean + margin))
    return forecasts


def accuracy(history: Sequence[Hour], weeks: int) -> Accuracy:
    """Measure the forecast's error in the last `weeks` weeks. Raises BadInput if under three weeks precede them."""
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
    """Return the weekly pattern: the usual orders in each hour of the week, divided by those of an average hour."""
    sums: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    kinds: dict[tuple[bool, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for hour, weight in zip(history, _weights(history, _HALF_LIFE), strict=True):
        for cell in (sums[hour.of_week], kinds[_kind(hour.of_week)]):
            cell[0] += weight * hour.orders
            cell[1] += weight
    means = {kind: orders / weight for kind, (orders, weight) in kinds.items()}
    shrunk = {
        place: (sums[place][0] + _PRIOR * means[_kind(place)]) / (sums[place][1] + _PRIOR) for place in range(WEEK)
    }
    average = sum(shrunk.values()) / WEEK or 1.0
    return {place: mean / average for place, mean in shrunk.items()}


def _kind(of_week: int) -> tuple[bool, int]:
    """Return whether an hour of the week is on a weekend, and its hour of the day."""
    return of_week // 24 >= 5, of_week % 24


def _level(history: Sequence[Hour]) -> float:
    """Return the mean of orders an hour, in which newer hours weigh more."""
    weights = _weights(history, _LEVEL_HALF_LIFE)
    return sum(weight * hour.orders for hour, weight in zip(history, weights, strict=True)) / sum(weights)


def _spread(history: Sequence[Hour]) -> float:
    """Return the variance of recent forecast errors divided by the variance of Poisson counts; at least 1."""
    last, before = history[-FEWEST_WEEKS * WEEK :], history[: -FEWEST_WEEKS * WEEK]
    if len(before) < WEEK:  # too short to have every hour of the week
        before = history
    shape, level = _shape(before), _level(before)
    squares = [
        (hour.orders - level * shape[hour.of_week]) ** 2 / max(level * shape[hour.of_week], 0.5) for hour in last
    ]
    return max(1.0, sum(squares) / len(squares))
