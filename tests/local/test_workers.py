"""Tests of the loops that replace AWS Lambda and EventBridge on one machine: failing, slow and late calls."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import EndpointConnectionError
from psycopg.errors import LockNotAvailable

from app.clock import SystemClock
from app.db import JOBS, Database
from app.faults import Passing
from app.functions import journal_insights
from app.local import workers
from app.local.last_done import LastDone
from app.local.shards import Shards
from app.local.workers import Call
from app.loops import Loop, LoopDied, Pulse, Runner
from app.processes import FUNCTIONS
from app.settings import Settings
from tests.conftest import Superuser

GONE = EndpointConnectionError(endpoint_url="http://gone")


def calling(*errors: Exception | None) -> tuple[Callable[[dict[str, Any], None], object], list[float]]:
    """Return a Lambda handler that raises the errors in turn (None: no error), and the list of its call times."""
    left, at = list(errors), list[float]()

    def handler(event: dict[str, Any], context: None) -> object:
        at.append(time.monotonic())
        error = left.pop(0) if left else None
        if error:
            raise error
        return {}

    return handler, at


def test_a_call_that_has_to_wait_is_made_again_soon_and_its_next_one_when_due() -> None:
    pulse = Pulse("scheduling", 10, Event())
    handler, at = calling(GONE, None)
    call = Call("digest-anchor", handler, 3_600, time.monotonic())
    call.make(pulse)
    assert pulse.outages.current == {"digest-anchor": Passing.AWS_AWAY}
    assert call.due - at[-1] == pytest.approx(workers.RETRY_SECONDS, abs=1)
    call.make(pulse)
    assert pulse.outages.current == {}
    assert call.due - at[-1] == pytest.approx(3_600, abs=1)


def test_a_handlers_surprise_is_no_wait() -> None:
    handler, _ = calling(KeyError("x"))
    with pytest.raises(KeyError):
        Call("journal-export", handler, 60, 0).make(Pulse("scheduling", 10, Event()))


def test_a_call_may_take_as_long_as_in_aws_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, stop = Event(), Event()

    def handler(event: dict[str, Any], context: None) -> None:
        hanging.wait(30)

    limited = replace(FUNCTIONS["digest-anchor"], seconds=2)
    monkeypatch.setitem(FUNCTIONS, "digest-anchor", limited)
    call = Call("digest-anchor", handler, 60, 0)

    def work(pulse: Pulse) -> None:
        while not pulse.stopping:
            call.make(pulse)
            pulse.rest(0.01)

    began = time.monotonic()
    with pytest.raises(LoopDied, match="scheduling stood still"):
        Runner([Loop("scheduling", work, 0.5)], stop).run()
    assert 2 <= time.monotonic() - began < 2 + 10
    stop.set()
    hanging.set()


def test_a_call_that_has_to_wait_for_long_is_made_less_and_less_often() -> None:
    handler, at = calling(*[GONE] * 9)
    call, waits = Call("warehouse-load", handler, 60, 0), list[float]()
    for _ in range(6):
        call.make(Pulse("scheduling", 10, Event()))
        waits.append(call.due - at[-1])
    assert waits == pytest.approx([5, 10, 20, 40, 60, 60], abs=1)


def scheduled(calls: list[Call], end: Callable[[], bool]) -> None:
    """Run the scheduler until `end` returns true. Raises the error that ends the scheduler."""
    stop = Event()

    class Ending(Pulse):
        def rest(self, seconds: float) -> bool:
            if end():
                stop.set()
            return super().rest(seconds / 50)

    workers.schedule(calls, Ending("scheduling", 10, stop))


@pytest.mark.parametrize(
    "error", [GONE, LockNotAvailable("locked"), KeyError("x")], ids=lambda error: type(error).__name__
)
@pytest.mark.parametrize("place", range(3))
def test_no_call_holds_up_another_whatever_it_meets(error: Exception, place: int) -> None:
    """Whichever of three scheduled calls fails, the other two are made."""
    handlers = [calling(error if number == place else None) for number in range(3)]
    names = ("nightly-rewards", "journal-export", "hourly-insights")
    calls = [Call(name, handler, 3_600, 0) for name, (handler, _) in zip(names, handlers, strict=True)]
    with suppress(KeyError):
        scheduled(calls, lambda: True)
    assert [len(at) for _, at in handlers] == [1, 1, 1]


def test_the_first_death_ends_the_process_once_all_that_was_due_was_called() -> None:
    calls = [Call("journal-export", calling(error)[0], 60, 0) for error in (GONE, KeyError("x"), ValueError("y"))]
    with pytest.raises(KeyError):
        scheduled(calls, lambda: False)


def test_a_night_that_has_to_wait_holds_up_no_digest(db: Database, superuser: Superuser) -> None:
    digest, at = calling()
    night = workers.night(db, SystemClock())
    with superuser.transaction():
        superuser.execute("LOCK TABLE nightly_runs IN ACCESS EXCLUSIVE MODE")
        scheduled([night, Call("digest-anchor", digest, 0, 0)], lambda: len(at) > 1)
    assert night.failures == 1


def test_what_is_due_at_a_start_is_what_the_database_has_not_seen_done(settings: Settings) -> None:
    now, chosen = datetime.now(UTC), settings.model_copy(update={"warehouse_url": "postgresql://warehouse"})

    def due(*hours: float | None) -> dict[str, float]:
        last = LastDone(*(None if ago is None else now - timedelta(hours=ago) for ago in hours))
        calls = workers.periodic(chosen, last, now)
        return {call.function: (call.due - time.monotonic()) / 3_600 for call in calls}

    hour, load = chosen.insights_every_s / 3_600, chosen.warehouse_every_s / 3_600
    names = ("digest-anchor", "journal-export", "hourly-insights", "warehouse-load")
    assert due(None, None, None) == pytest.approx(dict.fromkeys(names, 0), abs=0.01)
    waits = (0, chosen.export_every_s / 3_600, hour / 2, 0)
    assert due(0, hour / 2, 2 * load) == pytest.approx(dict(zip(names, waits, strict=True)), abs=0.01)
    ahead = due(0, -5 * hour, 0)  # done by a clock that was moved back since
    assert ahead["hourly-insights"] == pytest.approx(hour, abs=0.01)


def test_a_stream_made_anew_is_read_from_its_beginning(cloud: Callable[[str], Any]) -> None:
    """The new stream's sequence numbers may repeat the old one's, so old positions would skip records."""
    kinesis, stream = cloud("kinesis"), f"stream-{uuid4()}"
    shards = Shards(kinesis, stream)

    def put(*texts: str) -> None:
        for text in texts:
            kinesis.put_record(StreamName=stream, Data=text.encode(), PartitionKey="one")

    def read() -> list[str]:
        return [record["Data"].decode() for _, records in shards.batches() for record in records]

    kinesis.create_stream(StreamName=stream, ShardCount=1)
    put("a", "b", "c")
    assert read() == ["a", "b", "c"]
    kinesis.delete_stream(StreamName=stream)
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    put("d")
    assert read() == ["d"]


def test_reading_gives_signs_of_life_between_calls(cloud: Callable[[str], Any]) -> None:
    kinesis, stream = cloud("kinesis"), f"stream-{uuid4()}"
    kinesis.create_stream(StreamName=stream, ShardCount=4)
    beats: list[float] = []
    list(Shards(kinesis, stream).batches(lambda: beats.append(time.monotonic())))
    assert len(beats) > 2 * 4


def test_a_batch_may_wait_as_long_as_a_redrive_holds_its_lock(
    settings: Settings, in_the_cloud: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, allowed = Event(), list[float]()
    pulse = Pulse("consuming", 5, stop)

    def handler(event: dict[str, Any], context: None) -> None:
        allowed.append(pulse._due - time.monotonic())
        stop.set()

    monkeypatch.setattr(journal_insights, "handler", handler)
    monkeypatch.setattr(workers, "settings", lambda: settings)
    monkeypatch.setattr(Shards, "batches", lambda *_: [("shard-0", [])])
    workers.consume(pulse)
    assert allowed[0] > JOBS.lock_s
    assert allowed[0] > FUNCTIONS["journal-insights"].seconds


def test_an_unknown_worker_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "settings", lambda: settings)
    with pytest.raises(ValueError, match="no worker"):
        workers.run("nobody", Event())
