"""Benchmark the nightly calculation on a million pending lots, against one plain UPDATE of the same rows."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from threading import Event, Thread
from uuid import UUID

import psutil
import psycopg
from rich.console import Console

from app.clock import FixedClock
from app.db import Database
from app.local import postgres
from app.migrations import upgrade
from app.night import service as nightly
from app.settings import Settings
from tests.benchmarks.report import Result, at_least, at_most
from tests.shop import Shop

NOW = FixedClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))
LOTS = 1_000_000
FEWER = 100_000
LOTS_A_MEMBER = 10
ROUNDS = 3
BUYING_SECONDS = 5.0

# Three of a member's ten lots are due.
_FILL = """
    TRUNCATE lots, wallets, postings, nightly_runs, redemptions, lot_draws, payments, claims;
    WITH holders AS (
        SELECT member_id, row_number() OVER (ORDER BY member_id) - 1 AS place
        FROM (SELECT member_id FROM members ORDER BY member_id LIMIT %(members)s) AS chosen
    )
    INSERT INTO lots (lot_id, member_id, order_id, line, vendor_id, rule_id, units, points, unspent, state, earned_at,
                      matures_on, explanation)
    SELECT gen_random_uuid(), member_id, gen_random_uuid(), 1, '00000000-0000-0000-0000-000000000001',
           '00000000-0000-7000-8000-000000000001', 1, 5 + n, 5 + n, 'pending', timestamptz '2026-02-01Z',
           date '2026-03-02' + CASE WHEN n < 3 THEN 0 ELSE 1 + n END, '{}'
    FROM holders, generate_series(0, %(each)s - 1) AS n;
    INSERT INTO wallets (member_id, pending) SELECT member_id, sum(points) FROM lots GROUP BY 1;
"""
_BARE = """UPDATE lots SET state = 'confirmed', expires_on = matures_on + 730
           WHERE state = 'pending' AND matures_on <= '2026-03-02'"""


@dataclass
class _Shopper:
    """A thread that reads a wallet and places an order, again and again, and records the seconds of each turn."""

    shop: Shop
    stop: Event = field(default_factory=Event)
    seconds: list[float] = field(default_factory=list)

    def run(self, member_id: UUID, product_id: UUID) -> None:
        while not self.stop.is_set():
            begun = time.perf_counter()
            self.shop.wallet(member_id)
            self.shop.order(member_id, (product_id, 1))
            self.seconds.append(time.perf_counter() - begun)
            self.stop.wait(0.02)

    @property
    def p99(self) -> float:
        return quantiles(self.seconds, n=100, method="inclusive")[98]


def measure() -> list[Result]:
    console = Console()
    with scratch() as (db, admin):
        shop = Shop(db, NOW)  # type: ignore[arg-type]  # nothing moves its clock
        for _ in range(LOTS // LOTS_A_MEMBER // 10_000):
            shop.members(10_000)
        fewer = median(_night(db, admin, FEWER) for _ in range(ROUNDS))
        before = psutil.Process().memory_info().rss
        ratios, nights = [], []
        for number in range(ROUNDS):
            floor, night = _bare(admin, LOTS), _night(db, admin, LOTS)
            nights.append(night)
            ratios.append(floor / night)
            console.print(f"round {number + 1}: a night of {LOTS:,} lots {night:.1f} s, a bare UPDATE {floor:.1f} s")
        grown = (psutil.Process().memory_info().rss - before) / 2**20
        alone, beside = _purchases(db, admin, shop)
    due = LOTS * 3 // LOTS_A_MEMBER
    return [
        at_least(f"a night, {due:,} of {LOTS:,} lots due, over a bare UPDATE", median(ratios), "×", 0.3),
        Result("lots confirmed", round(due / median(nights)), "1/s"),
        at_most("a night of ten times the lots, over ten times the seconds", median(nights) / fewer / 10, "×", 1.3),
        at_most(f"memory that {ROUNDS} such nights leave", grown, "MiB", 50),
        at_most("a purchase during the night over one before, p99", beside / alone, "×", 2, f"{alone * 1000:.0f} ms"),
    ]


@contextmanager
def scratch() -> Iterator[tuple[Database, psycopg.Connection[tuple[object, ...]]]]:
    folder = Path(tempfile.mkdtemp(prefix="rewards-night-"))
    try:
        with postgres.start(folder / "postgres") as server:
            server.create_database("rewards")
            upgrade(server.url("rewards"))
            db = Database.open(Settings(database_url=server.url("rewards")))
            with psycopg.connect(server.url("rewards"), autocommit=True) as admin:
                yield db, admin
            db.close()
    finally:
        postgres.remove(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


def _fill(admin: psycopg.Connection[tuple[object, ...]], lots: int) -> None:
    parameters = {"members": lots // LOTS_A_MEMBER, "each": LOTS_A_MEMBER}
    with psycopg.ClientCursor(admin) as cursor:
        cursor.execute(_FILL, parameters)
    admin.execute("VACUUM ANALYZE lots")
    admin.execute("VACUUM ANALYZE wallets")
    admin.execute("CHECKPOINT")


def _bare(admin: psycopg.Connection[tuple[object, ...]], lots: int) -> float:
    _fill(admin, lots)
    begun = time.perf_counter()
    admin.execute(_BARE)
    return time.perf_counter() - begun


def _night(db: Database, admin: psycopg.Connection[tuple[object, ...]], lots: int) -> float:
    _fill(admin, lots)
    begun = time.perf_counter()
    report = nightly.run(db, NOW)
    assert report.confirmed_lots == lots * 3 // LOTS_A_MEMBER
    return time.perf_counter() - begun


def _purchases(db: Database, admin: psycopg.Connection[tuple[object, ...]], shop: Shop) -> tuple[float, float]:
    """Return the 99th percentile seconds of reading a wallet and ordering, before and during a nightly calculation."""
    member, product = shop.member(), shop.product()
    _fill(admin, LOTS)
    shoppers = []
    for work in (lambda: time.sleep(BUYING_SECONDS), lambda: nightly.run(db, NOW)):
        shopper = _Shopper(shop)
        thread = Thread(target=shopper.run, args=(member, product))
        thread.start()
        work()
        shopper.stop.set()
        thread.join()
        shoppers.append(shopper)
    return shoppers[0].p99, shoppers[1].p99
