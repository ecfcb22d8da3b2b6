"""Supervise the platform's child processes (parts): start them, restart those that end or hang, and stop them."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import Misconfigured
from app.local.files import last_line

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 10.0
# Seconds after which a restarted part's next restart has the first delay again.
STEADY_S = 30.0
# Seconds after a restart from which a ready part is reported as back.
BACK_S = 1.5
START_S = 300.0
PROBE_S = 1.0
_POLL_S = 0.05


@dataclass(frozen=True)
class Part:
    """A child process of the platform, with the functions that launch and check it.

    After each launch, `restore` is called as soon as `ready` returns true. If `live` returns false for `silence_s`
    seconds, the process is restarted. A process is reported as back when `back` (if None, `ready`) returns true.
    """

    name: str
    log: Path
    launch: Callable[[], subprocess.Popen[bytes]]
    ready: Callable[[], bool] = lambda: True
    restore: Callable[[], None] = lambda: None
    reason: Callable[[Path, int], str] = last_line
    patience_s: float = 10.0
    live: Callable[[], bool] | None = None
    silence_s: float = 8.0
    back: Callable[[], bool] | None = None


@dataclass
class _Running:
    part: Part
    process: subprocess.Popen[bytes]
    launched: float
    log_offset: int
    restored: bool = False
    failures: int = 0
    due: float | None = None
    died_at: float | None = None
    lived_at: float | None = None

    def stands_still(self) -> bool:
        """Return whether the process hangs: it was not `live` for `silence_s`, or not once in START_S since launch."""
        if self.part.live is None:
            return False
        silent_since = self.launched + START_S if self.lived_at is None else self.lived_at + self.part.silence_s
        return time.monotonic() > silent_since


@dataclass
class Supervisor:
    """Runs parts. Calls `say` with a line to print if a part ends or is back, `changed` if process ids change."""

    say: Callable[[str], None]
    changed: Callable[[dict[str, int]], None] = lambda _: None
    _groups: list[list[_Running]] = field(default_factory=list)
    _watched: list[_Running] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None

    def start(self, *parts: Part) -> None:
        """Start all parts at once, and return when all are ready. Raises Misconfigured if one ends instead."""
        group: list[_Running] = []
        self._groups.append(group)
        for part in parts:
            group.append(_launched(part))
            self._tell()
        for running in group:
            _wait(running)
            running.part.restore()
            running.restored = True
            self._watched.append(running)
            if running.part.live is not None:
                threading.Thread(target=self._probe, args=(running, running.part.live), daemon=True).start()
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
            self._watcher.start()

    def stop(self) -> None:
        """Stop all parts, in the reverse order of the calls to `start`."""
        self._stopping.set()
        if self._watcher:
            self._watcher.join()
        for group in reversed(self._groups):
            for running in group:
                _close(running.process)
            for running in group:
                _end(running.process, running.part.patience_s)
        self._groups.clear()

    def _watch(self) -> None:
        while not self._stopping.wait(_POLL_S):
            for running in tuple(self._watched):
                try:
                    self._look_after(running)
                except Exception as failed:  # the other parts must still be watched
                    running.due = self._postpone(running, str(failed))

    def _probe(self, running: _Running, live: Callable[[], bool]) -> None:
        while not self._stopping.wait(PROBE_S):
            process = running.process
            if live() and running.process is process:
                running.lived_at = time.monotonic()

    def _look_after(self, running: _Running) -> None:
        if running.due is not None:
            if time.monotonic() >= running.due:
                self._again(running)
        elif (code := running.process.poll()) is not None:
            how = f"signal {-code} ended it" if code < 0 else f"it ended with {code}"
            why = running.part.reason(running.part.log, running.log_offset)
            running.due = self._postpone(running, f"{how}: {why}")
        elif running.stands_still():
            _kill(running.process)
            running.due = self._postpone(running, "it stood still and was ended")
        elif not running.restored:
            if running.part.ready():
                running.part.restore()
                running.restored = True
        elif running.died_at is not None:
            self._tell_when_back(running, running.died_at)
        elif time.monotonic() - running.launched > STEADY_S:
            running.failures = 0

    def _tell_when_back(self, running: _Running, died_at: float) -> None:
        now, back = time.monotonic(), running.part.back or running.part.ready
        if now - running.launched > BACK_S and back():
            self.say(f"{running.part.name}: back after {now - died_at:.1f} s")
            running.died_at = None

    def _again(self, running: _Running) -> None:
        if running.process.poll() is None:
            # It runs but could not be restored: only the restoring is repeated.
            running.due = None
            return
        _close(running.process)
        fresh = _launched(running.part)
        running.process, running.launched, running.log_offset = fresh.process, fresh.launched, fresh.log_offset
        running.restored, running.due, running.lived_at = False, None, None
        self._tell()

    def _postpone(self, running: _Running, why: str) -> float:
        delay = min(LONGEST_DELAY_S, FIRST_DELAY_S * (1 << min(running.failures, 8)))
        running.failures += 1
        running.died_at = running.died_at or time.monotonic()
        self.say(f"{running.part.name}: {why}; again in {delay:.1f} s")
        return time.monotonic() + delay

    def _tell(self) -> None:
        self.changed({running.part.name: running.process.pid for group in self._groups for running in group})


def _launched(part: Part) -> _Running:
    offset = part.log.stat().st_size if part.log.exists() else 0
    return _Running(part, part.launch(), time.monotonic(), offset)


def _wait(running: _Running) -> None:
    part, deadline = running.part, time.monotonic() + START_S
    while not part.ready():
        if running.process.poll() is not None:
            raise Misconfigured(f"{part.name} did not start: {part.reason(part.log, running.log_offset)}")
        if time.monotonic() > deadline:
            raise Misconfigured(f"{part.name} is not ready after {START_S:.0f} s; see {part.log}")
        time.sleep(_POLL_S)


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()


def _end(process: subprocess.Popen[bytes], patience_s: float) -> None:
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and its child processes, which are in its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
