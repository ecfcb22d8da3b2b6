"""Tests of the ledger's worker process: it seals, publishes every stream, reports lags, and takes over from others."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest
import structlog
from botocore.exceptions import EndpointConnectionError

from app import logins
from app.clock import SystemClock
from app.db import Database
from app.errors import BadInput, NotFound
from app.faults import Passing
from app.lags import Part
from app.ledger import cursors, repository, stream, worker
from app.ledger.cursors import Stream, streams
from app.loops import LoopDied, Pulse
from app.settings import Settings
from tests.conftest import Login, Run, Until
from tests.ledger.conftest import Append


@pytest.fixture
def running(settings: Settings, login: Login, in_the_cloud: None) -> Iterator[Callable[..., Event]]:
    """Return a function that starts a ledger worker in a thread; all workers are stopped at the end."""
    started: list[tuple[Thread, Event]] = []

    def start(**changes: Any) -> Event:
        stop = Event()
        thread = Thread(
            target=worker.run,
            args=(
                settings.model_copy(update={"database_url": login(logins.SEALING), "seal_every_ms": 10, **changes}),
                stop,
            ),
        )
        thread.start()
        started.append((thread, stop))
        return stop

    yield start
    for thread, stop in started:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def kinesis(cloud: Callable[[str], Any]) -> Iterator[Callable[[], str]]:
    """Return a function that creates a Kinesis stream and returns its name; all streams are deleted at the end."""
    stream_names: list[str] = []

    def make() -> str:
        stream_names.append(f"stream-{uuid4()}")
        cloud("kinesis").create_stream(StreamName=stream_names[-1], ShardCount=1)
        return stream_names[-1]

    yield make
    for name in stream_names:
        cloud("kinesis").delete_stream(StreamName=name)


def sent(db: Database) -> dict[str, int | None]:
    with db.read() as session:
        return {journal_stream.name: journal_stream.next_block for journal_stream in streams(session)}


def blocks(db: Database) -> int:
    with db.read() as session:
        return repository.status(session).blocks


def test_what_is_appended_is_sealed_and_sent_to_every_stream(
    running: Callable[..., Event], kinesis: Callable[[], str], db: Database, append: Append, until: Until
) -> None:
    usual, other = kinesis(), kinesis()
    with db.write() as session:
        stream.start(session, Stream("other", other, None, None))
    running(stream_name=usual)
    append("one", "two")
    until(lambda: set(sent(db).values()) == {1} and blocks(db) == 1)
    assert set(sent(db)) == {usual, "other"}


def test_a_stream_whose_kinesis_is_gone_keeps_neither_the_others_nor_the_sealer_waiting(
    running: Callable[..., Event], kinesis: Callable[[], str], db: Database, append: Append, until: Until
) -> None:
    usual = kinesis()
    with db.write() as session:
        stream.start(session, Stream("a-lost-one", "never-made", None, None))
    running(stream_name=usual)
    append("one")
    until(lambda: sent(db) == {"a-lost-one": None, usual: 1})


def test_a_stream_that_aws_refuses_for_good_is_told_of_once_and_stops_nothing(
    running: Callable[..., Event], kinesis: Callable[[], str], db: Database, append: Append, until: Until
) -> None:
    usual = kinesis()
    with db.write() as session:
        cursors.add(session, Stream("a-refused-one", "", None, None))  # no name that Kinesis takes
    with structlog.testing.capture_logs() as lines:
        running(stream_name=usual)
        append("one")
        until(lambda: sent(db) == {"a-refused-one": None, usual: 1})
        append("two")
        until(lambda: sent(db) == {"a-refused-one": None, usual: 2})
    waiting = [line["loop"] for line in lines if line["event"] == f"waiting: {Passing.AWS_REFUSES}"]
    assert waiting == ["a-refused-one"]


def test_what_aws_refuses_the_usual_stream_ends_the_process(
    settings: Settings, login: Login, in_the_cloud: None
) -> None:
    with pytest.raises(LoopDied, match="publishing died: ParamValidationError"):
        worker.run(settings.model_copy(update={"database_url": login(logins.SEALING), "stream_name": ""}), Event())


def test_a_stream_that_is_away_is_asked_less_and_less_often(
    db: Database, cloud: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[float] = []

    def gone(*_: object) -> None:
        attempts.append(time.monotonic())
        raise EndpointConnectionError(endpoint_url="http://gone")

    monkeypatch.setattr(worker, "Publisher", gone)
    publishers = worker._Publishers(db, cloud("kinesis"), "usual")
    pulse, began = Pulse("publishing", 10, Event()), time.monotonic()
    while time.monotonic() < began + 2:
        publishers.send("usual", pulse)
        pulse.sleep(0.01)
    assert 2 <= len(attempts) <= 4  # after 0, 0.25, 0.75 and 1.75 s


def test_a_stream_ends_by_command_and_the_usual_one_never(db: Database) -> None:
    with db.write() as session:
        for name in ("usual", "side"):
            stream.start(session, Stream(name, name, None, None))
        stream.end(session, "side", "usual")
        assert {each.name: each.completed for each in streams(session)} == {"side": True, "usual": False}
        with pytest.raises(BadInput, match="does not end"):
            stream.end(session, "usual", "usual")
        with pytest.raises(NotFound, match="no stream other"):
            stream.end(session, "other", "usual")


def test_a_stream_to_a_kinesis_that_is_not_there_is_not_started(
    run: Run, in_the_cloud: None, kinesis: Callable[[], str], db: Database
) -> None:
    status, _, complaint = run("ledger", "stream", "side", "--kinesis", "never-made")
    assert (status, complaint.count("\n")) == (2, 1)
    assert "ResourceNotFoundException" in complaint
    assert sent(db) == {}
    assert run("ledger", "stream", "side", "--kinesis", kinesis())[0] == 0
    assert sent(db) == {"side": None}
    assert run("ledger", "end-stream", "side")[0] == 0
    with db.read() as session:
        assert [each.completed for each in streams(session)] == [True]


def test_another_worker_takes_over_when_the_one_that_leads_stops(
    running: Callable[..., Event], kinesis: Callable[[], str], db: Database, append: Append, until: Until
) -> None:
    usual = kinesis()
    first = running(stream_name=usual)
    append("one")
    until(lambda: sent(db) == {usual: 1})
    running(stream_name=usual)
    first.set()
    append("two")
    until(lambda: sent(db) == {usual: 2})


@pytest.mark.parametrize("level", ["INFO", "WARNING", "CRITICAL"])
def test_the_figures_of_the_alarms_are_printed_at_every_level(level: str) -> None:
    program = f"from app import logs; logs.configure({level!r}); logs.figures('lags', SealLagSeconds=1.5)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(ended.stdout)["SealLagSeconds"] == 1.5


def test_it_prints_how_far_each_part_is_behind(db: Database, settings: Settings, append: Append) -> None:
    append("one")
    stop = Event()
    with structlog.testing.capture_logs() as lines:
        report = Thread(target=worker.report, args=(db, settings, SystemClock(), Pulse("reporting", 10, stop)))
        report.start()
        while not lines and report.is_alive():
            stop.wait(0.01)
        stop.set()
        report.join()
    assert set(worker.LAG_METRICS.values()) <= set(lines[0])
    assert lines[0][worker.LAG_METRICS[Part.SEALING]] > 0
