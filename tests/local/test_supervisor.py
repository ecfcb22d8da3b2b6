"""Tests of the supervisor, with small real processes that end when their standard input closes."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from app.errors import Misconfigured
from app.local import postgres, supervisor
from app.local.supervisor import Part, Supervisor
from tests.conftest import Until

OBEYS = "import sys; sys.stdin.read(); open(sys.argv[1], 'a').write(sys.argv[2] + ' ')"
FAILS = "import sys; print('first'); print('the reason'); sys.exit(3)"
REFUSES = "import signal, subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); signal.pause()"


class Rig:
    """A supervisor, the lines that it printed, and the folder into which its processes write."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lines = folder, list[str]()
        self.pids: dict[str, int] = {}
        self.supervisor = Supervisor(self.lines.append, self._changed)

    def part(self, name: str, script: str = OBEYS, **more: float) -> Part:
        log = self.folder / f"{name}.log"
        return Part(name, log, partial(self._launch, name, script, log), patience_s=more.get("patience_s", 10.0))

    def ended(self) -> str:
        return (self.folder / "ended").read_text()

    def _changed(self, pids: dict[str, int]) -> None:
        self.pids = pids

    def _launch(self, name: str, script: str, log: Path) -> "subprocess.Popen[bytes]":
        with log.open("ab") as out:
            return subprocess.Popen(
                [sys.executable, "-S", "-c", script, str(self.folder / "ended"), name],
                stdin=subprocess.PIPE,
                stdout=out,
                start_new_session=True,
            )


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.supervisor.stop()


def test_parts_end_in_reverse_order_of_their_start(rig: Rig) -> None:
    rig.supervisor.start(rig.part("database"))
    rig.supervisor.start(rig.part("api"))
    rig.supervisor.stop()
    assert rig.ended() == "api database "
    assert not rig.lines


def test_dead_part_is_started_again_and_said_in_one_line(rig: Rig, until: Until) -> None:
    rig.supervisor.start(rig.part("stays"), rig.part("dies"))
    before = dict(rig.pids)
    os.kill(before["dies"], signal.SIGKILL)
    until(lambda: rig.pids["dies"] != before["dies"])
    assert rig.pids["stays"] == before["stays"]
    (line,) = rig.lines
    assert line.startswith("dies: signal 9 ended it: ")
    assert line.endswith("again in 0.5 s")


def test_wait_between_starts_grows(rig: Rig, until: Until) -> None:
    rig.supervisor.start(rig.part("fails", "import sys; sys.exit(1)"))
    until(lambda: len(rig.lines) >= 2)
    assert [line.rsplit("again in ")[1] for line in rig.lines[:2]] == ["0.5 s", "1.0 s"]


def test_part_that_ends_before_it_is_ready_stops_the_start_with_its_last_words(rig: Rig) -> None:
    part = rig.part("api", FAILS)
    never = Part(part.name, part.log, part.launch, ready=lambda: False)
    with pytest.raises(Misconfigured, match=r"api did not start: the reason \(log: "):
        rig.supervisor.start(never)


def test_restore_runs_after_each_start_and_again_when_it_fails(rig: Rig, until: Until) -> None:
    part, restored = rig.part("forgets"), list[int]()

    def restore() -> None:
        restored.append(rig.pids["forgets"])
        if len(restored) == 2:
            raise ConnectionError("not yet")

    rig.supervisor.start(Part(part.name, part.log, part.launch, restore=restore))
    first = rig.pids["forgets"]
    os.kill(first, signal.SIGKILL)
    until(lambda: len(restored) == 3)
    assert restored[0] == first
    assert restored[1] == restored[2] == rig.pids["forgets"] != first
    assert "not yet" in rig.lines[-1]


def test_part_that_does_not_end_is_killed_with_its_children(rig: Rig, until: Until) -> None:
    rig.supervisor.start(rig.part("refuses", REFUSES, patience_s=0.2))
    log = rig.folder / "refuses.log"
    until(lambda: log.read_text().strip())
    child, began = psutil.Process(int(log.read_text())), time.monotonic()
    rig.supervisor.stop()
    assert time.monotonic() - began < 5
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_death_is_said_once_and_so_is_the_return(rig: Rig, until: Until) -> None:
    rig.supervisor.start(rig.part("dies"))
    os.kill(rig.pids["dies"], signal.SIGKILL)
    until(lambda: len(rig.lines) == 2)
    assert rig.lines[0].startswith("dies: signal 9 ended it: ")
    assert re.fullmatch(r"dies: back after \d+\.\d s", rig.lines[1])


def test_a_part_that_dies_again_and_again_is_never_called_back(rig: Rig, until: Until) -> None:
    rig.supervisor.start(rig.part("fails", "import sys; sys.exit(1)"))
    until(lambda: len(rig.lines) >= 4)
    assert not [line for line in rig.lines if "back" in line]


def answering(folder: Path, process: "subprocess.Popen[bytes]") -> bool:
    """Return whether a process touched its heartbeat file within the last second, as a liveness check."""
    beat = folder / f"beat-{process.pid}"
    return beat.exists() and time.time() - beat.stat().st_mtime < 1


BEATS = """
import os, pathlib, sys, threading
beat = pathlib.Path(sys.argv[1]).with_name(f"beat-{os.getpid()}")
def again_and_again():
    while True:
        beat.touch()
        threading.Event().wait(0.1)
threading.Thread(target=again_and_again, daemon=True).start()
sys.stdin.read()
"""


@pytest.mark.parametrize("wish", [signal.SIGSTOP, None], ids=["stopped by a signal", "never beats"])
def test_a_part_that_lives_without_working_is_ended_and_started_again(
    rig: Rig, until: Until, monkeypatch: pytest.MonkeyPatch, wish: signal.Signals | None
) -> None:
    monkeypatch.setattr(supervisor, "PROBE_S", 0.1)
    monkeypatch.setattr(supervisor, "START_S", 3.0)
    processes: list[subprocess.Popen[bytes]] = []
    part = rig.part("stuck", BEATS if wish else OBEYS)

    def launch() -> "subprocess.Popen[bytes]":
        processes.append(part.launch())
        return processes[-1]

    def live() -> bool:
        return answering(rig.folder, processes[-1])

    rig.supervisor.start(replace(part, launch=launch, live=live, silence_s=2.0))
    if wish:
        until(live)
        os.kill(processes[0].pid, wish)
    until(lambda: len(processes) == 2)
    assert rig.lines[0].startswith("stuck: it stood still and was ended")
    assert processes[0].poll() == -signal.SIGKILL
    if wish:
        until(lambda: rig.lines[-1].startswith("stuck: back after"))


def test_what_a_server_told_each_of_its_clients_is_said_once(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    turned_away = "2026-11-26 08:00:00.000 UTC [7] FATAL:  the database system is shutting down\n"
    log.write_text(turned_away * 20 + "2026-11-26 08:00:01.000 UTC [1] PANIC:  could not write\n")
    reason = postgres.reason(log)
    assert reason.count("shutting down") == 1
    assert "could not write" in reason
