"""Tests of each part's lag while a ledger revision is committed, sealed in a block, published, and applied."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from app import ledger, logins
from app.clock import Clock, SystemClock, local_date
from app.db import Database
from app.errors import Misconfigured
from app.insights.stream import consumer
from app.insights.stream.models import Record
from app.lags import Lag, Part, read
from app.ledger import cursors, sealer
from app.ledger.stream import Publisher
from app.local import doctor
from app.night import service as nightly
from app.settings import LAG_LIMITS_S, Settings
from tests.conftest import Opened, Run, SettableClock
from tests.ledger.crashing import received

ORDER = {"placed_at": datetime(2026, 3, 2, 12, tzinfo=UTC), "lines": []}


class Journey:
    """Takes ledger revisions through sealing, publishing and applying, one step at a time."""

    def __init__(self, opened: Opened, settings: Settings, kinesis: Any) -> None:
        self.db, self.sealing, self.consuming = map(opened, (logins.SERVICES, logins.SEALING, logins.CONSUMING))
        self.settings, self.kinesis = settings, kinesis

    def behind(self, clock: Clock | None = None) -> dict[Part, Lag]:
        with self.db.snapshot() as session:
            return {lag.part: lag for lag in read(session, self.settings, clock or SystemClock())}

    def waiting(self) -> dict[Part, int]:
        return {lag.part: lag.revisions for lag in self.behind().values() if lag.revisions is not None}

    def append(self, documents: int) -> None:
        with self.db.write() as session:
            for _ in range(documents):
                ledger.append(session, "orders", str(uuid4()), ORDER)

    def seal(self) -> None:
        with self.sealing.write() as session:
            sealer.seal(session, SystemClock())

    def publish(self) -> None:
        Publisher(self.sealing, self.kinesis, self.settings.stream_name).publish(Event())

    def apply(self, keep: Callable[[Record], bool] = lambda _: True) -> None:
        for shard, records in received(self.kinesis, self.settings.stream_name).items():
            with self.consuming.write() as session:
                consumer.apply(session, consumer.CONSUMER, shard, [record for record in records if keep(record)])


@pytest.fixture
def journey(opened: Opened, settings: Settings, cloud: Callable[[str], Any]) -> Journey:
    stream, kinesis = f"stream-{uuid4()}", cloud("kinesis")
    kinesis.create_stream(StreamName=stream, ShardCount=2)
    return Journey(opened, settings.model_copy(update={"stream_name": stream}), kinesis)


def waits(sealing: int = 0, publishing: int = 0, consuming: int = 0) -> dict[Part, int]:
    return {Part.SEALING: sealing, Part.PUBLISHING: publishing, Part.CONSUMING: consuming}


def test_what_waits_is_counted_where_it_waits_and_idle_parts_are_not_behind(journey: Journey) -> None:
    journey.seal()
    start = journey.waiting()
    assert start == waits()
    journey.append(3)
    assert journey.waiting() == waits(sealing=3)
    journey.seal()
    assert journey.waiting() == waits(publishing=3)
    journey.publish()
    assert journey.waiting() == waits(consuming=3)
    journey.apply()
    assert journey.waiting() == waits()
    ages = journey.behind()
    assert [ages[part].seconds for part in (Part.SEALING, Part.PUBLISHING, Part.CONSUMING)] == [0, 0, 0]


def test_each_stage_is_as_old_as_the_first_commit_that_waits_there(journey: Journey) -> None:
    for steps in ((journey.seal, journey.publish), (journey.seal,), ()):
        journey.append(1)
        for step in steps:
            step()
    ages = journey.behind()
    old = [ages[part].seconds for part in (Part.CONSUMING, Part.PUBLISHING, Part.SEALING)]
    assert old == sorted(old, reverse=True)
    assert min(old) > 0


def test_one_revision_left_out_in_the_middle_is_what_the_consumer_is_behind(journey: Journey) -> None:
    journey.append(5)
    journey.seal()
    journey.publish()
    journey.apply(keep=lambda record: b'"sequence":2' not in record.data)
    lag = journey.behind()[Part.CONSUMING]
    assert lag.revisions == 1
    assert lag.seconds > 0


def test_a_platform_that_never_published_is_behind_with_all_it_sealed(journey: Journey) -> None:
    journey.append(2)
    journey.seal()
    assert journey.behind()[Part.PUBLISHING].seconds > 0


def test_a_stream_that_was_completed_waits_for_nothing(journey: Journey) -> None:
    journey.append(2)
    journey.seal()
    with journey.db.write() as session:
        for name in (journey.settings.stream_name, "other"):
            cursors.add(session, cursors.Stream(name, name, None, None))
            cursors.complete(session, name)
    assert journey.waiting()[Part.PUBLISHING] == 0


def test_the_nights_age_goes_by_the_platforms_clock_and_begins_with_the_ledger(
    journey: Journey, clock: SettableClock, db: Database
) -> None:
    assert 0 < journey.behind()[Part.NIGHT].seconds < 3600  # the template's ledger is as old as this run
    nightly.run(db, clock)
    clock.advance(hours=27)
    night = journey.behind(clock)[Part.NIGHT]
    assert night.seconds == pytest.approx(27 * 3600, abs=5)
    assert night.is_late
    nightly.run(db, clock, local_date(clock.now(), ZoneInfo("UTC")) - timedelta(days=5))
    assert journey.behind(clock)[Part.NIGHT] == night  # an old day again is no newer night


@pytest.mark.parametrize("part", Part)
def test_every_part_has_a_line_that_mends_it_and_that_of_poison_names_the_redrive(part: Part) -> None:
    line = doctor._mend(part)
    assert "\n" not in line
    assert ("rewards stream redrive" in line) == (part is Part.CONSUMING)


def test_a_digest_is_owed_once_something_is_sealed_and_fresh_once_anchored(journey: Journey) -> None:
    journey.append(1)
    journey.seal()
    owed = journey.behind()[Part.DIGESTS].seconds
    assert owed > 0
    with journey.db.write() as session:
        cursors.anchored(session, 1, "digests/1.json")
    assert journey.behind()[Part.DIGESTS].seconds < owed + 1


@pytest.mark.parametrize("part", LAG_LIMITS_S)
def test_a_limit_is_a_setting_and_the_others_stay(part: str, settings: Settings, journey: Journey) -> None:
    changed = Settings.model_validate({**settings.model_dump(), "lag_limits_s": {part: 7}})
    with journey.db.snapshot() as session:
        limits = {lag.part: lag.limit_s for lag in read(session, changed, SystemClock())}
    assert limits == {**LAG_LIMITS_S, part: 7.0}


def test_a_limit_of_an_unknown_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARDS_DATABASE_URL", "postgresql://nowhere")
    monkeypatch.setenv("REWARDS_LAG_LIMITS_S", '{"seeling": 1}')
    with pytest.raises(Misconfigured, match="no such part: seeling"):
        Settings.load()


def test_stream_status_shows_the_numbers_and_fails_past_a_limit(
    run: Run, journey: Journey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARDS_STREAM_NAME", journey.settings.stream_name)
    journey.append(4)
    journey.seal()
    code, printed, _ = run("stream", "status")
    assert (code, "sealed, not on the stream yet: 4 revisions" in printed) == (0, True)
    monkeypatch.setenv("REWARDS_LAG_LIMITS_S", '{"publishing": 0}')
    code, printed, _ = run("stream", "status")
    assert (code, "late publishing" in printed) == (1, True)
