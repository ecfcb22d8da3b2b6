"""Tests of the runner of worker loops: transient faults, errors that end the process, and logs; with real threads."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from threading import Event, Thread

import psycopg
import pytest
import structlog
from psycopg.errors import ReadOnlySqlTransaction

from app import loops
from app.faults import Passing
from app.loops import DIED, Loop, LoopDied, Pulse, Runner
from tests.conftest import Until

LIMIT_S = 5.0
AWAY = psycopg.OperationalError("connection refused")


@pytest.fixture
def stop() -> Iterator[Event]:
    event = Event()
    yield event
    event.set()


def raising(*errors: BaseException | None) -> Callable[[Pulse], None]:
    """Return a loop's work that raises each error in turn (None is a turn without error), then runs until stopped."""
    left = iter(errors)

    def work(pulse: Pulse) -> None:
        for error in left:
            if error is not None:
                raise error
            pulse.rest(0)
        while pulse.rest(0.01):
            pass

    return work


def test_a_fault_that_passes_is_told_of_once_and_its_end_once(stop: Event, until: Until) -> None:
    work = raising(*[AWAY] * 3, ReadOnlySqlTransaction("read-only"), ReadOnlySqlTransaction("read-only"), None)
    runner = Runner([Loop("one", work, LIMIT_S)], stop)
    with structlog.testing.capture_logs() as lines:
        thread = Thread(target=runner.run)
        thread.start()
        until(lambda: runner.pulses[0].turns > 1)
        stop.set()
        thread.join()
    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("warning", "waiting: the database does not answer"),
        ("warning", "waiting: the database is read-only"),
        ("info", "back: no longer waiting because the database is read-only"),
    ]


def test_waits_grow_to_a_limit_and_differ_from_loop_to_loop(stop: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def sleep(_: Pulse, seconds: float) -> bool:
        slept.append(seconds)
        return True

    monkeypatch.setattr(Pulse, "sleep", sleep)
    pulse = Pulse("one", LIMIT_S, stop)
    for _ in range(40):
        pulse.retry_later(Passing.DATABASE_AWAY, AWAY)
    assert loops.FIRST_WAIT_S / 2 <= slept[0] <= loops.FIRST_WAIT_S
    assert all(loops.LONGEST_WAIT_S / 2 <= wait <= loops.LONGEST_WAIT_S for wait in slept[10:])
    assert len(set(slept[10:])) > 10
    pulse.rest(0)
    pulse.retry_later(Passing.DATABASE_AWAY, AWAY)
    assert slept[-1] <= loops.FIRST_WAIT_S


SURPRISES = [AssertionError("surprise"), MemoryError(), SystemExit(0), KeyboardInterrupt(), GeneratorExit()]


@pytest.mark.parametrize("error", SURPRISES, ids=lambda error: type(error).__name__)
def test_what_nobody_expected_in_any_thread_ends_the_run_at_once(stop: Event, error: BaseException) -> None:
    runner = Runner([Loop("well", raising(), LIMIT_S), Loop("ill", raising(None, error), LIMIT_S)], stop)
    with pytest.raises(LoopDied, match=f"ill died: {type(error).__name__}"):
        runner.run()


def test_a_loop_that_ends_by_itself_is_dead_too(stop: Event) -> None:
    with pytest.raises(LoopDied, match="nobody asked it to"):
        Runner([Loop("short", lambda _: None, LIMIT_S)], stop).run()


def test_a_loop_that_stands_still_is_dead_and_liveness_says_so_first(stop: Event) -> None:
    def stuck(_: Pulse) -> None:
        stop.wait()

    runner = Runner([Loop("stuck", stuck, 0.5), Loop("well", raising(), 0.5)], stop)
    began = time.monotonic()
    with pytest.raises(LoopDied, match="stuck stood still"):
        runner.run()
    assert 0.5 <= time.monotonic() - began < 10
    assert [pulse.name for pulse in runner.standing_still()] == ["stuck"]


def test_waiting_for_a_lost_database_is_life(stop: Event) -> None:
    def lost(pulse: Pulse) -> None:
        raise AWAY

    runner = Runner([Loop("patient", lost, 0.6)], stop)  # its waits grow to many times that
    thread = Thread(target=runner.run)
    thread.start()
    deadline = time.monotonic() + 4
    while time.monotonic() < deadline:
        assert thread.is_alive()
        assert not runner.standing_still()
        time.sleep(0.05)
    stop.set()
    thread.join()


def test_a_step_that_announced_its_time_may_take_it(stop: Event) -> None:
    done = Event()

    def work(pulse: Pulse) -> None:
        pulse.beat(30)
        time.sleep(1.0)
        done.set()
        while pulse.rest(0.05):
            pass

    runner = Runner([Loop("slow", work, 0.4)], stop)
    thread = Thread(target=runner.run)
    thread.start()
    assert done.wait(20)
    stop.set()
    thread.join()


PROCESS = """
import sys, threading
from threading import Event
from app.loops import Loop, Runner, or_end_the_process

def forever(pulse):
    while True:
        pulse.beat(1000)
        threading.Event().wait()

def ill(pulse):
    {body}

or_end_the_process(lambda: Runner([Loop("ill", ill, 0.5), Loop("stuck", forever, 0.5)], Event()).run())
"""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise PermissionError('not for you')", "ill died: PermissionError: not for you"),
        ("sys.exit(0)", "ill died: SystemExit: 0"),
        ("raise MemoryError", "ill died: MemoryError"),
        ("threading.Event().wait()", "ill stood still: it owed a sign of life"),
    ],
)
def test_the_process_ends_with_a_status_and_its_last_line_says_why(body: str, reason: str) -> None:
    command = [sys.executable, "-c", PROCESS.format(body=body)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == DIED
    assert ended.stderr.splitlines()[-1].startswith(reason)
