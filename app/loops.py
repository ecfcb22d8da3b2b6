"""Run a worker process's loops, such as sealing, publishing and consuming, in threads with heartbeats.

After a transient fault (`app.faults`) a loop waits and tries again, with backoff, and logs when the fault begins and
ends. Any other error or an overdue heartbeat ends the process with a non-zero status, and its supervisor restarts it.
"""

import faulthandler
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread

import structlog

from app.faults import Passing, passing

log = structlog.get_logger()

FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0
WATCH_S = 0.25
"""Seconds between checks of the loops' heartbeats."""
SLICE_S = 0.5
"""Longest sleep without a heartbeat, in seconds."""
DIED = 1
"""Exit status of a process one of whose loops died."""


class LoopDied(Exception):
    """A loop raised a permanent error, returned unexpectedly, or missed its heartbeat: the process must end."""


def growing_wait(failures: int, first_s: float = FIRST_WAIT_S, longest_s: float = LONGEST_WAIT_S) -> float:
    """Return the seconds to wait before the next attempt: exponential backoff after `failures` failures."""
    return min(longest_s, first_s * 2.0 ** min(failures, 16))


class Outages:
    """The current transient faults of a loop and its tasks, by loop or task name; their begin and end are logged."""

    def __init__(self) -> None:
        self.current: dict[str, Passing] = {}
        self.losses = 0

    def lost(self, subject: str, fault: Passing, error: object) -> None:
        self.losses += 1
        if self.current.get(subject) is not fault:
            self.current[subject] = fault
            log.warning(f"waiting: {fault}", loop=subject, error=" ".join(str(error).split()))

    def back(self, subject: str) -> None:
        if (fault := self.current.pop(subject, None)) is not None:
            log.info(f"back: no longer waiting because {fault}", loop=subject)


class Pulse:
    """The heartbeat of one loop: the loop's thread beats it, and other threads check it."""

    def __init__(self, name: str, limit_s: float, stop: Event) -> None:
        """`limit_s` is the longest time allowed between heartbeats; `beat` can announce a longer one."""
        self.name, self.limit_s, self.stop = name, limit_s, stop
        self.outages = Outages()
        self.turns = self.failures = 0
        self._due = time.monotonic() + limit_s

    @property
    def stopping(self) -> bool:
        return self.stop.is_set()

    @property
    def overdue_s(self) -> float:
        """Return by how many seconds the next heartbeat is late; 0 if it is not."""
        return max(0.0, time.monotonic() - self._due)

    @property
    def waits_for(self) -> Passing | None:
        return self.outages.current.get(self.name)

    def beat(self, within_s: float | None = None) -> None:
        """Record a heartbeat. The next must follow within `limit_s` seconds, or `within_s` if that is longer."""
        self._due = time.monotonic() + max(self.limit_s, within_s or 0.0)

    def rest(self, seconds: float) -> bool:
        """Count a successful turn of the loop, and sleep until the next; return false if the loop must stop."""
        self.turns += 1
        self.failures = 0
        self.outages.back(self.name)
        return self.sleep(seconds)

    def retry_later(self, fault: Passing, error: BaseException) -> bool:
        """Sleep after a transient fault, longer each time; return false if the loop must stop."""
        self.outages.lost(self.name, fault, error)
        longest = growing_wait(self.failures)
        self.failures += 1
        return self.sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311  random, so that many do not retry at once

    def attempt(
        self, subject: str, work: Callable[[], None], verdict: Callable[[BaseException], Passing | None] = passing
    ) -> bool:
        """Run the task `subject`; return false after a transient fault, so that the loop goes on with its other tasks.

        `verdict` returns the fault of an error, or None if the error must be raised. Success ends the task's outage.
        """
        self.beat()
        losses = self.outages.losses
        try:
            work()
        except Exception as error:
            if (fault := verdict(error)) is None:
                raise
            self.outages.lost(subject, fault, error)
            return False
        if self.outages.losses == losses:
            self.outages.back(subject)
        return True

    def sleep(self, seconds: float) -> bool:
        """Sleep with heartbeats; return false if the loop must stop."""
        end = time.monotonic() + seconds
        self.beat()
        while (rest := end - time.monotonic()) > 0:
            if self.stop.wait(min(rest, SLICE_S)):
                return False
            self.beat()
        return not self.stop.is_set()


@dataclass(frozen=True)
class Loop:
    """A loop of a worker. `work` calls `pulse.rest` after each turn of its task, and ends when that returns false."""

    name: str
    work: Callable[[Pulse], None]
    limit_s: float


class Runner:
    """Runs each loop in a thread of its own, and checks their heartbeats in the calling thread."""

    def __init__(self, loops: Sequence[Loop], stop: Event) -> None:
        self.pulses = [Pulse(loop.name, loop.limit_s, stop) for loop in loops]
        self._threads = [
            Thread(target=self._guard, args=pair, name=pair[0].name, daemon=True)
            for pair in zip(loops, self.pulses, strict=True)
        ]
        self._death: tuple[str, BaseException] | None = None
        self._died = Event()

    def run(self) -> None:
        """Run the loops until `stop` is set. Raises LoopDied when one dies; the other threads are left running."""
        for pulse, thread in zip(self.pulses, self._threads, strict=True):
            pulse.beat()
            thread.start()
        while any(thread.is_alive() for thread in self._threads):
            self._died.wait(WATCH_S)
            self._look()
        self._look()

    def standing_still(self) -> list[Pulse]:
        """Return the heartbeats that are overdue."""
        pairs = zip(self.pulses, self._threads, strict=True)
        return [pulse for pulse, thread in pairs if thread.is_alive() and pulse.overdue_s]

    def _look(self) -> None:
        if self._death:
            name, error = self._death
            raise LoopDied(f"{name} died: {_line(error)}") from error
        for pulse in self.standing_still():
            raise LoopDied(f"{pulse.name} stood still: it owed a sign of life {pulse.overdue_s:.1f} s ago")

    def _guard(self, loop: Loop, pulse: Pulse) -> None:
        try:
            _again_and_again(loop, pulse)
        except BaseException as error:
            self._death = (loop.name, error)
            self._died.set()


def _again_and_again(loop: Loop, pulse: Pulse) -> None:
    while not pulse.stopping:
        try:
            loop.work(pulse)
        except Exception as error:
            fault = passing(error)
            if fault is None:
                raise
            pulse.retry_later(fault, error)
        else:
            if not pulse.stopping:
                raise LoopDied("it ended though nobody asked it to")


def or_end_the_process(work: Callable[[], None]) -> None:
    """Run `work`; any exception ends the process at once, with the reason as the last line on stderr."""
    try:
        work()
    except BaseException as error:
        with suppress(BaseException):  # without memory for a message the process must still end
            if error.__cause__ is None:
                faulthandler.dump_traceback(file=sys.stderr)
            log.error("the process ends", exc_info=error)
            sys.stdout.flush()
            sys.stderr.write(f"{error if isinstance(error, LoopDied) else _line(error)}\n")
            sys.stderr.flush()
        os._exit(DIED)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
