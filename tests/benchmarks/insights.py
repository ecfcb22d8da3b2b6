"""The stream's consumer over the loop that only decodes, its state over a day, recommendations over bestsellers.

The records are the ledger's own envelopes of the Complete Journey's orders; PostgreSQL syncs.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median
from uuid import UUID

import psutil
from rich.console import Console

from app.clock import FixedClock
from app.db import Database
from app.insights.capacity import forecasting
from app.insights.capacity.models import WEEK, Hour
from app.insights.recommendations import learning, repository, service
from app.insights.stream import consumer, envelopes
from app.insights.stream.models import Record
from app.local import journey, replay
from app.local.journey import Basket, Journey
from app.settings import Settings
from tests.benchmarks.ledger import database, server
from tests.benchmarks.report import Result, at_least, at_most
from tests.insights.conftest import journaled, order_record

ROUNDS = 5
BATCH = 500
WEEKS, LEARNED_WEEKS = 2, 16
_WINDOWS = "hourly_sales, hourly_area_sales, sales_windows, stream_baskets, stream_progress, stream_seen"


@dataclass(frozen=True)
class Hits:
    """Of members' next baskets: how many held one of ten recommended products, and one of ten bestsellers."""

    members: int
    recommended: int
    bestsellers: int

    @property
    def ratio(self) -> float:
        return self.recommended / self.bestsellers


def measure() -> list[Result]:
    console, source = Console(), journey.read()
    with server() as (running, _):
        consuming = _consuming(database(running, "consuming"), source, console)
        url = database(running, "recommending")
        db = Database.open(Settings(database_url=url, pool_size=4))
        hits = hit_rate(db, source, LEARNED_WEEKS)
        db.close()
    rate = at_least("recommendations: hit rate at 10", hits.ratio, "x", 1.5, f"bestsellers, {hits.members} members")
    return [*consuming, rate, _forecasting(source)]


def _consuming(url: str, source: Journey, console: Console) -> list[Result]:
    db = Database.open(Settings(database_url=url, pool_size=4))
    replay.load(db, WEEKS, console, source)
    records = journaled(db)
    batches = [records[first : first + BATCH] for first in range(0, len(records), BATCH)]
    decoding, applying, memory = [], [], []
    for _ in range(ROUNDS):
        with db.write() as session:
            session.run(f"TRUNCATE {_WINDOWS}")
        decoding.append(len(records) / _seconds(lambda: [envelopes.read(record) for record in records]))
        applying.append(len(records) / _seconds(lambda: _apply(db, batches)))
        memory.append(psutil.Process().memory_info().rss)
    state = _state(db)
    db.close()
    return [
        at_least("consumer, exactly once", median(applying), "records/s", 10_000),
        Result(
            "consumer over decoding alone",
            round(median(map(float.__truediv__, applying, decoding)), 3),
            "x",
            f"{median(decoding):,.0f} records/s",
        ),
        at_most("consumer: most windows open at once", state.windows, "", 2, f"{state.hours} hours"),
        at_most("consumer: rows of what was seen", state.seen, "", 2, f"{len(records):,} records"),
        Result("consumer: memory that four more rounds took", round((memory[-1] - memory[0]) / 2**20), "MiB"),
    ]


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _apply(db: Database, batches: Sequence[Sequence[Record]]) -> None:
    for batch in batches:
        with db.write() as session:
            consumer.apply(session, consumer.CONSUMER, "shardId-000000000000", batch)


@dataclass(frozen=True)
class _State:
    hours: int
    windows: int
    seen: int


def _state(db: Database) -> _State:
    with db.read() as session:
        status = consumer.status(session)
        hours = session.value("SELECT count(DISTINCT hour) FROM sales_windows")
    return _State(hours, status.open_windows, status.partial_chunks)


def _forecasting(source: Journey) -> Result:
    starts = sorted(event.at.replace(minute=0, second=0, microsecond=0) for event in _baskets(source, 53))
    counts: dict[datetime, int] = {}
    for at in starts:
        counts[at] = counts.get(at, 0) + 1
    hours = [starts[0] + timedelta(hours=number) for number in range(52 * WEEK)]
    found = forecasting.accuracy([Hour(at, counts.get(at, 0)) for at in hours], 8)
    return at_most("forecast of 8 held-out weeks: error", found.ratio, "x", 1, "last week repeated")


# ── recommendations ──────────────────────────────────────────────────────────────────────────────────────────────────


def hit_rate(db: Database, source: Journey, weeks: int) -> Hits:
    """Learn from the first weeks, and look at each consenting member's next basket within a fortnight."""
    baskets = list(_baskets(source, weeks + 2))
    cut = min(basket.at for basket in baskets) + timedelta(weeks=weeks)
    needed = {line.product for basket in baskets for line in basket.lines}
    goods = [one for one in source.goods if one.number in needed]
    replay.furnish(db, replace(source, goods=goods), Console(quiet=True))
    sellers = {one.number: one.vendor for one in goods}
    _take_in(db, [basket for basket in baskets if basket.at < cut], sellers)
    learning.learn(db, FixedClock(cut))
    following: dict[int, Basket] = {}
    for basket in baskets:
        if basket.at >= cut:
            following.setdefault(basket.household, basket)
    told = {household.number for household in source.households if household.income_band is not None}
    return _compare(db, {who: following[who] for who in told & following.keys()}, sellers)


def _compare(db: Database, following: dict[int, Basket], sellers: dict[int, int]) -> Hits:
    recommended = best = 0
    with db.read() as session:
        bestsellers = {one.product_id for one in repository.bestsellers(session, [], 10)}
        for household, basket in following.items():
            bought = set(_products(basket, sellers))
            shown = service.recommend(session, replay.member_id(household), 10, FixedClock(basket.at)).products
            recommended += any(one.product_id in bought for one in shown)
            best += bool(bestsellers & bought)
    return Hits(len(following), recommended, best)


def _baskets(source: Journey, weeks: int) -> Iterator[Basket]:
    return (event for event in source.events(0, source.events_in(weeks)) if isinstance(event, Basket))


def _products(basket: Basket, sellers: dict[int, int]) -> list[UUID]:
    return [replay.product_id(line.product, sellers[line.product]) for line in basket.lines]


def _take_in(db: Database, baskets: Sequence[Basket], sellers: dict[int, int]) -> None:
    """As the stream would bring them; the order path's own speed is not what is measured here."""
    records = [
        order_record(number, basket.at, _products(basket, sellers), replay.member_id(basket.household))
        for number, basket in enumerate(baskets)
    ]
    _apply(db, [records[first : first + 1_000] for first in range(0, len(records), 1_000)])
