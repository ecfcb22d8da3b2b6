"""Run every loop of the platform: sealing, publishing, reporting, consuming, scheduling.

A loop waits out faults that pass (`app.faults`), with backoff, and logs their begin and end once. Any other error, and
a loop without a heartbeat for longer than it announced, end the process with a non-zero status, and its supervisor
restarts it.
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
    """A loop raised an unexpected error, returned by itself, or stopped its heartbeat: the process can't go on."""


def growing_wait(failures: int, first_s: float = FIRST_WAIT_S, longest_s: float = LONGEST_WAIT_S) -> float:
    """Return the seconds before the next attempt, with exponential backoff after `failures` earlier failures."""
    return min(longest_s, first_s * 2.0 ** min(failures, 16))


class Outages:
    """Faults being waited out, by subject; logged when they change, not at each attempt."""

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
    """The heartbeat of one loop, given by its thread and read by others."""

    def __init__(self, name: str, limit_s: float, stop: Event) -> None:
        """`limit_s` is the longest time between heartbeats, unless the loop announces more."""
        self.name, self.limit_s, self.stop = name, limit_s, stop
        self.outages = Outages()
        self.turns = self.failures = 0
        self._due = time.monotonic() + limit_s

    @property
    def stopping(self) -> bool:
        return self.stop.is_set()

    @property
    def overdue_s(self) -> float:
        """Seconds since a heartbeat was due; 0 while in time."""
        return max(0.0, time.monotonic() - self._due)

    @property
    def waits_for(self) -> Passing | None:
        return self.outages.current.get(self.name)

    def beat(self, within_s: float | None = None) -> None:
        """Give a heartbeat. The next is due within the loop's limit, or `within_s` if a step may take longer."""
        self._due = time.monotonic() + max(self.limit_s, within_s or 0.0)

    def rest(self, seconds: float) -> bool:
        """End a successful turn, and sleep; return true to take another turn."""
        self.turns += 1
        self.failures = 0
        self.outages.back(self.name)
        return self.sleep(seconds)

    def retry_later(self, fault: Passing, error: BaseException) -> bool:
        """Sleep after a passing fault, longer each time; return true to try again."""
        self.outages.lost(self.name, fault, error)
        longest = growing_wait(self.failures)
        self.failures += 1
        return self.sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311  so that many do not come back at once

    def attempt(
        self, subject: str, work: Callable[[], None], verdict: Callable[[BaseException], Passing | None] = passing
    ) -> bool:
        """Run one of several tasks; after a passing fault return false, so that the others go on.

        `verdict` maps an error to its fault; None re-raises it. A subject that `work` itself reports lost stays lost.
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
    """`work` takes turns, each ended by `pulse.rest`, until that returns false; it may raise passing faults."""

    name: str
    work: Callable[[Pulse], None]
    limit_s: float


class Runner:
    """Runs each loop in a thread, and watches them from the calling thread."""

    def __init__(self, loops: Sequence[Loop], stop: Event) -> None:
        self.pulses = [Pulse(loop.name, loop.limit_s, stop) for loop in loops]
        self._threads = [
            Thread(target=self._guard, args=pair, name=pair[0].name, daemon=True)
            for pair in zip(loops, self.pulses, strict=True)
        ]
        self._death: tuple[str, BaseException] | None = None
        self._died = Event()

    def run(self) -> None:
        """Run until the stop. Raises LoopDied as soon as a loop dies; the other threads are left running."""
        for pulse, thread in zip(self.pulses, self._threads, strict=True):
            pulse.beat()
            thread.start()
        while any(thread.is_alive() for thread in self._threads):
            self._died.wait(WATCH_S)
            self._look()
        self._look()

    def standing_still(self) -> list[Pulse]:
        """Return the loops whose heartbeat is overdue."""
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


def run(loops: Sequence[Loop], stop: Event) -> None:
    """Run loops as `Runner.run` does, for callers that need no Runner."""
    Runner(loops, stop).run()


def or_end_the_process(work: Callable[[], None]) -> None:
    """Run `work`; any exception ends the process at once, even while other threads are stuck.

    The last line on stderr is the reason, which the supervisor shows.
    """
    try:
        work()
    except BaseException as error:
        with suppress(BaseException):  # out of memory there is no line, but still an end
            if error.__cause__ is None:
                faulthandler.dump_traceback(file=sys.stderr)  # where each thread stands
            log.error("the process ends", exc_info=error)
            sys.stdout.flush()
            sys.stderr.write(f"{error if isinstance(error, LoopDied) else _line(error)}\n")
            sys.stderr.flush()
        os._exit(DIED)


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
