"""Supervision of real processes, small ones: each ends when its standard input closes, unless it says otherwise."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from app.errors import Misconfigured
from app.local.supervisor import Part, Supervisor
from tests.conftest import Until

OBEYS = "import sys; sys.stdin.read(); open(sys.argv[1], 'a').write(sys.argv[2] + ' ')"
FAILS = "import sys; print('first'); print('the reason'); sys.exit(3)"
REFUSES = "import signal, subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); signal.pause()"


class Rig:
    """A supervisor, what it said, and where its parts write."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, list[str]()
        self.pids: dict[str, int] = {}
        self.supervisor = Supervisor(self.said.append, self._changed)

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
    made = Rig(tmp_path)
    yield made
    made.supervisor.stop()


def test_parts_end_in_reverse_order_of_their_start(rig: Rig) -> None:
    rig.supervisor.start(rig.part("database"))
    rig.supervisor.start(rig.part("api"))
    rig.supervisor.stop()
    assert rig.ended() == "api database "
    assert not rig.said


def test_dead_part_is_started_again_and_said_in_one_line(rig: Rig, until: Until) -> None:
    rig.supervisor.start(rig.part("stays"), rig.part("dies"))
    before = dict(rig.pids)
    os.kill(before["dies"], signal.SIGKILL)
    until(lambda: rig.pids["dies"] != before["dies"])
    assert rig.pids["stays"] == before["stays"]
    (line,) = rig.said
    assert line.startswith("dies: signal 9 ended it: ")
    assert line.endswith("again in 0.5 s")


def test_wait_between_starts_grows(rig: Rig, until: Until) -> None:
    rig.supervisor.start(rig.part("fails", "import sys; sys.exit(1)"))
    until(lambda: len(rig.said) >= 2)
    assert [line.rsplit("again in ")[1] for line in rig.said[:2]] == ["0.5 s", "1.0 s"]


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
    assert "not yet" in rig.said[-1]


def test_part_that_does_not_end_is_killed_with_its_children(rig: Rig, until: Until) -> None:
    rig.supervisor.start(rig.part("refuses", REFUSES, patience_s=0.2))
    log = rig.folder / "refuses.log"
    until(lambda: log.read_text().strip())
    child, began = psutil.Process(int(log.read_text())), time.monotonic()
    rig.supervisor.stop()
    assert time.monotonic() - began < 5
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
