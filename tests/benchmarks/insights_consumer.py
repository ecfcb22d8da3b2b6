"""Benchmark the stream's consumer: records a second, and whether time and memory stay flat over a day's orders.

The records are orders of about ten lines; PostgreSQL has fsync on. Speed is compared with only decoding them, and with
a Kinesis shard's limit, 1,000 records or 1 MiB a second:
https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle, islice
from statistics import mean, median

import psutil
from rich.console import Console

from app.db import Database
from app.insights.stream import consumer, envelopes
from app.insights.stream.models import Change, Record
from app.local import replay
from app.local.journey import Journey
from app.settings import Settings
from tests.benchmarks.report import Result, at_least, at_most
from tests.insights.conftest import apply, journaled

ROUNDS = 5
BATCH = 500
WEEKS = 2
SMALL = 10_000
HOURS, AN_HOUR = 24, 2_500
_A_DAY = datetime(2017, 6, 1, tzinfo=UTC)
_WINDOWS = "hourly_sales, hourly_area_sales, sales_windows, stream_baskets, stream_progress, stream_seen"


def measure(url: str, source: Journey, console: Console) -> list[Result]:
    db = Database.open(Settings(database_url=url, pool_size=4))
    replay.load(db, WEEKS, console, source)
    own = journaled(db)
    orders = [record.data for record in own if _lines(record)]
    of_one_line = [record.data for record in own if _lines(record) == 1]
    small = list(_renumbered(of_one_line, SMALL, timedelta(hours=1) / SMALL))
    baskets, single = _speed(db, own), _speed(db, small)
    day = list(_day(db, orders))
    db.close()
    return [
        at_least("consumer, baskets: provisioned shards", baskets.shards, "", 10, baskets.records),
        Result("consumer, baskets", round(baskets.applied), "records/s", baskets.records),
        Result("consumer, baskets, over decoding", round(baskets.ratio, 3), "x", f"{baskets.decoded:,.0f} records/s"),
        at_least("consumer, orders of one line", single.applied, "records/s", 10_000, single.records),
        *_flat(day),
    ]


def _lines(record: Record) -> int:
    read = envelopes.read(record)
    return len(read.basket.sales) if isinstance(read, Change) and read.basket else 0


def _renumbered(orders: Sequence[bytes], count: int, apart: timedelta, first: int = 0) -> Iterator[Record]:
    """Yield `count` copies of `orders` as records, `apart` from each other in time, with numbers from `first`."""
    for number, order in enumerate(islice(cycle(orders), count), first):
        at = (_A_DAY + number * apart).isoformat().encode()
        data = re.sub(rb'"placed_at":"[^"]*"', b'"placed_at":"%s"' % at, order, count=1)
        yield Record(f"{number:020}", re.sub(rb'"sequence":\d+', b'"sequence":%d' % number, data, count=1))


# ── speed ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Speed:
    """Median records a second: `applied` by the consumer, `decoded` by only parsing the same records."""

    applied: float
    decoded: float
    ratio: float
    size: float

    @property
    def shards(self) -> float:
        return self.applied / min(1_000, 2**20 / self.size)

    @property
    def records(self) -> str:
        return f"of {self.size / 1_000:.1f} kB"


def _speed(db: Database, records: Sequence[Record]) -> _Speed:
    decoding, applying = [], []
    for _ in range(ROUNDS):
        _empty(db)
        decoding.append(len(records) / _seconds(lambda: [envelopes.read(record) for record in records]))
        applying.append(len(records) / _seconds(lambda: _apply(db, records)))
    ratio = median(map(float.__truediv__, applying, decoding))
    return _Speed(median(applying), median(decoding), ratio, mean(len(record.data) for record in records))


def _empty(db: Database) -> None:
    with db.write() as session:
        session.run(f"TRUNCATE {_WINDOWS}")


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _apply(db: Database, records: Sequence[Record]) -> None:
    for first in range(0, len(records), BATCH):
        apply(db, records[first : first + BATCH])


# ── state ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Hour:
    seconds: float
    windows: int
    seen: int
    memory: int


def _day(db: Database, orders: Sequence[bytes]) -> Iterator[_Hour]:
    """Apply a day of equally busy hours; yield the consumer's time, table sizes and memory after each hour."""
    _empty(db)
    for hour in range(HOURS):
        records = list(_renumbered(orders, AN_HOUR, timedelta(hours=1) / AN_HOUR, hour * AN_HOUR))
        seconds = _seconds(partial(_apply, db, records))
        with db.read() as session:
            status = consumer.status(session)
        yield _Hour(seconds, status.open_windows, status.partial_chunks, psutil.Process().memory_info().rss)


def _flat(day: Sequence[_Hour]) -> list[Result]:
    told = f"{HOURS} hours of {AN_HOUR:,} orders"
    first, last = (min(hour.seconds for hour in part) for part in (day[:6], day[-6:]))
    grown = (day[-1].memory - day[1].memory) / 2**20
    return [
        at_most("consumer: most windows open after an hour", max(hour.windows for hour in day), "", 2, told),
        at_most("consumer: most rows of what was seen", max(hour.seen for hour in day), "", 2, told),
        at_most("consumer: a late hour's seconds over an early one's", last / first, "x", 1.25, told),
        at_most("consumer: memory that the day took from its third hour on", grown, "MiB", 10, told),
    ]
