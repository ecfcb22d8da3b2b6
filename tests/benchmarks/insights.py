"""Benchmark the insights: the stream's consumer, recommendations against bestsellers, and the order forecast."""

from collections import Counter
from datetime import timedelta

from rich.console import Console

from app.insights.capacity import forecasting
from app.insights.capacity.models import WEEK, Hour
from app.local import journey
from app.local.journey import Journey
from tests.benchmarks import insights_consumer, insights_recommendations
from tests.benchmarks.insights_recommendations import baskets_of
from tests.benchmarks.ledger import database, server
from tests.benchmarks.report import Result, at_most


def measure() -> list[Result]:
    source = journey.read()
    with server() as (running, _):
        consuming = insights_consumer.measure(database(running, "consuming"), source, Console())
        recommending = insights_recommendations.measure(database(running, "recommending"), source)
    return [*consuming, *recommending, _forecasting(source)]


def _forecasting(source: Journey) -> Result:
    counts = Counter(basket.at.replace(minute=0, second=0, microsecond=0) for basket in baskets_of(source, 53))
    first = min(counts)
    hours = [Hour(at, counts[at]) for at in (first + timedelta(hours=number) for number in range(52 * WEEK))]
    found = forecasting.accuracy(hours, 8)
    return at_most("forecast of 8 held-out weeks: error", found.ratio, "x", 1, "last week repeated")
