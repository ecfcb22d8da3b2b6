"""The loops that stand in for Lambda and EventBridge on one machine: what they wait for, and what that holds up."""

import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import EndpointConnectionError

from app.faults import Passing
from app.local import workers
from app.local.shards import Shards
from app.local.workers import Call
from app.loops import Loop, LoopDied, Pulse, Runner
from app.services import FUNCTIONS
from app.settings import Settings

GONE = EndpointConnectionError(endpoint_url="http://gone")


def calling(*errors: Exception | None) -> tuple[Callable[[dict[str, Any], None], object], list[float]]:
    """A handler that raises each error in turn, None for a call that goes well; and when it was called."""
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


def test_a_digest_is_due_at_once_and_nothing_else(settings: Settings) -> None:
    now = time.monotonic()
    due = {call.function: call.due - now for call in workers.periodic(settings)}
    assert due.pop("digest-anchor") < 1
    assert min(due.values()) > 60


def test_a_stream_made_anew_is_read_from_its_beginning(cloud: Callable[[str], Any]) -> None:
    """Its records have numbers that the old stream's had: going on from an old place would skip them."""
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


def test_an_unknown_worker_is_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "settings", lambda: settings)
    with pytest.raises(ValueError, match="no worker"):
        workers.run("nobody", Event())
