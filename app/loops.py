"""One way to run every loop of the platform: sealing, publishing, reporting, consuming, scheduling.

A loop waits for the end of what passes by itself (`app.faults`), with backoff, and says so once when it begins and once
when it is over. Anything else ends the process with a non-zero status, and so does a loop that shows no sign of life
for longer than it said it would take: whoever supervises the process starts it again. Nothing dies in silence.
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
"""How often each loop's signs of life are looked at."""
SLICE_S = 0.5
"""The longest sleep without a sign of life."""
DIED = 1
"""The exit status of a process one of whose loops died."""


class LoopDied(Exception):
    """A loop raised what nobody expected, ended by itself, or stood still. The process can't go on."""


def growing_wait(failures: int, first_s: float = FIRST_WAIT_S, longest_s: float = LONGEST_WAIT_S) -> float:
    """Seconds until the next attempt after one that failed, `failures` others before it."""
    return min(longest_s, first_s * 2.0 ** min(failures, 16))


class Outages:
    """What is waited for, by subject: told of when it changes, never at each try."""

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
    """The signs of life of one loop, given by its own thread and looked at by others."""

    def __init__(self, name: str, limit_s: float, stop: Event) -> None:
        """`limit_s` is how long the loop may go without a sign, unless it announces more."""
        self.name, self.limit_s, self.stop = name, limit_s, stop
        self.outages = Outages()
        self.turns = self.failures = 0
        self._due = time.monotonic() + limit_s

    @property
    def stopping(self) -> bool:
        return self.stop.is_set()

    @property
    def overdue_s(self) -> float:
        """How long ago a sign of life should have come; 0 while all is well."""
        return max(0.0, time.monotonic() - self._due)

    @property
    def waits_for(self) -> Passing | None:
        return self.outages.current.get(self.name)

    def beat(self, within_s: float | None = None) -> None:
        """A sign of life. The next one comes within the loop's limit, or `within_s` where a step may take longer."""
        self._due = time.monotonic() + max(self.limit_s, within_s or 0.0)

    def rest(self, seconds: float) -> bool:
        """End a turn that went well, and sleep; whether to take another turn."""
        self.turns += 1
        self.failures = 0
        self.outages.back(self.name)
        return self.sleep(seconds)

    def retry_later(self, fault: Passing, error: BaseException) -> bool:
        """Sleep after a fault that passes, longer each time; whether to try again."""
        self.outages.lost(self.name, fault, error)
        longest = growing_wait(self.failures)
        self.failures += 1
        return self.sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311  so that many do not come back at once

    def attempt(
        self, subject: str, work: Callable[[], None], verdict: Callable[[BaseException], Passing | None] = passing
    ) -> bool:
        """Do one of several things, so that the others go on where it has to wait; whether it was done.

        `verdict` says of an error what is waited for; None lets it through. What `work` says is lost is not back.
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
        """Whether to go on afterwards."""
        end = time.monotonic() + seconds
        self.beat()
        while (rest := end - time.monotonic()) > 0:
            if self.stop.wait(min(rest, SLICE_S)):
                return False
            self.beat()
        return not self.stop.is_set()


@dataclass(frozen=True)
class Loop:
    """`work` takes turns, each ended by `pulse.rest`, until that says no; it may raise what passes at any time."""

    name: str
    work: Callable[[Pulse], None]
    limit_s: float


class Runner:
    """Runs loops, each in its thread, and watches them from the thread that called."""

    def __init__(self, loops: Sequence[Loop], stop: Event) -> None:
        self.pulses = [Pulse(loop.name, loop.limit_s, stop) for loop in loops]
        self._threads = [
            Thread(target=self._guard, args=pair, name=pair[0].name, daemon=True)
            for pair in zip(loops, self.pulses, strict=True)
        ]
        self._death: tuple[str, BaseException] | None = None
        self._died = Event()

    def run(self) -> None:
        """Returns after the stop. Raises LoopDied at once when a loop dies; the other threads are left as they are."""
        for pulse, thread in zip(self.pulses, self._threads, strict=True):
            pulse.beat()
            thread.start()
        while any(thread.is_alive() for thread in self._threads):
            self._died.wait(WATCH_S)
            self._look()
        self._look()

    def standing_still(self) -> list[Pulse]:
        """The loops that owe a sign of life."""
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
    """`Runner.run`, where nobody else asks how the loops are."""
    Runner(loops, stop).run()


def or_end_the_process(work: Callable[[], None]) -> None:
    """Does the work; whatever it raises ends the process at once, even where other threads are stuck for good.

    The last line on stderr says why in plain words: the supervisor shows it.
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
