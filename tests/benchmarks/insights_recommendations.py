"""Benchmark recommendations: how often a member's next order has one of ten recommended products.

The same is counted for the ten bestsellers. After 28, 40 and 50 weeks of the Complete Journey, product affinity is
learned from the past, and the next order within a fortnight of each consenting member is looked up. Results after 16
weeks don't count, because the recommendation rule was tuned on them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from rich.console import Console

from app.clock import FixedClock
from app.db import Database
from app.insights.recommendations import learning, repository, service
from app.local import replay
from app.local.journey import Basket, Journey
from app.settings import Settings
from tests.benchmarks.report import Result, at_least
from tests.insights.conftest import apply, order_record

CHOSEN_AFTER, *HELD_OUT_AFTER = 16, 28, 40, 50
_FORTNIGHT = timedelta(weeks=2)


@dataclass(frozen=True)
class Hits:
    """How many members' next orders had one of ten recommended products, and how many one of the ten bestsellers."""

    members: int = 0
    recommended: int = 0
    bestsellers: int = 0

    def __add__(self, more: "Hits") -> "Hits":
        return Hits(
            self.members + more.members, self.recommended + more.recommended, self.bestsellers + more.bestsellers
        )

    @property
    def ratio(self) -> float:
        return self.recommended / self.bestsellers

    @property
    def told(self) -> str:
        return f"bestsellers, {self.bestsellers} of {self.members:,} baskets"


def measure(url: str, source: Journey) -> list[Result]:
    db = Database.open(Settings(database_url=url, pool_size=4))
    chosen, *held_out = _hits(db, source, [CHOSEN_AFTER, *HELD_OUT_AFTER])
    db.close()
    over = sum(held_out, Hits())
    weeks = ", ".join(map(str, HELD_OUT_AFTER))
    return [
        at_least(f"recommendations after {weeks} weeks: hit rate at 10", over.ratio, "x", 1.5, over.told),
        Result(f"recommendations after {CHOSEN_AFTER} weeks", round(chosen.ratio, 3), "x", chosen.told),
    ]


def _hits(db: Database, source: Journey, weeks: Sequence[int]) -> Iterator[Hits]:
    """Learn after each number of weeks, and yield the hits among the orders that follow."""
    baskets = list(baskets_of(source, weeks[-1] + 2))
    needed = {line.product for basket in baskets for line in basket.lines}
    goods = [one for one in source.goods if one.number in needed]
    replay.furnish(db, replace(source, goods=goods), Console(quiet=True))
    sellers = {one.number: one.vendor for one in goods}
    consenting = {household.number for household in source.households if household.income_band is not None}
    begin, done = min(basket.at for basket in baskets), 0
    for cut in (begin + timedelta(weeks=number) for number in weeks):
        before = [basket for basket in baskets[done:] if basket.at < cut]
        _take_in(db, before, sellers, done)
        done += len(before)
        learning.learn(db, FixedClock(cut))
        following: dict[int, Basket] = {}
        for basket in baskets[done:]:
            if basket.at < cut + _FORTNIGHT and basket.household in consenting:
                following.setdefault(basket.household, basket)
        yield _compare(db, following, sellers)


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


def baskets_of(source: Journey, weeks: int) -> Iterator[Basket]:
    return (event for event in source.events(0, source.events_in(weeks)) if isinstance(event, Basket))


def _products(basket: Basket, sellers: dict[int, int]) -> list[UUID]:
    return [replay.product_id(line.product, sellers[line.product]) for line in basket.lines]


def _take_in(db: Database, baskets: Sequence[Basket], sellers: dict[int, int], first: int) -> None:
    """Count the baskets in the hourly sales, as stream records numbered from `first`, without placing orders."""
    records = [
        order_record(number, basket.at, _products(basket, sellers), replay.member_id(basket.household))
        for number, basket in enumerate(baskets, first)
    ]
    for start in range(0, len(records), 1_000):
        apply(db, records[start : start + 1_000])
