"""Limit a process to a share of one processor.

Uses a control group's CPU quota if this machine allows it, else stops and continues the process in turns.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PERIOD_US = 20_000
_V1, _V2 = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")


@contextmanager
def held(pid: int, share: float) -> Iterator[str]:
    """Limit the process to `share` of one processor while the block runs; yield "quota" or "in turns", the method."""
    group = _group(share)
    if group is None:
        with _in_turns(pid, share):
            yield "in turns"
        return
    home = group.parent
    try:
        (group / "cgroup.procs").write_text(str(pid))
        yield "quota"
    finally:
        with suppress(OSError):
            (home / "cgroup.procs").write_text(str(pid))
        with suppress(OSError):
            group.rmdir()


def _group(share: float) -> Path | None:
    quota = int(share * PERIOD_US)
    for home, name, text in ((_V2, "cpu.max", f"{quota} {PERIOD_US}"), (_V1, "cpu.cfs_quota_us", str(quota))):
        group = home / f"rewards-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if home is _V1:
                (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            with (group / name).open("r+") as file:
                file.write(text)
        except OSError:
            with suppress(OSError):
                group.rmdir()
            continue
        return group
    return None


@contextmanager
def _in_turns(pid: int, share: float) -> Iterator[None]:
    over = threading.Event()

    def govern() -> None:
        period = PERIOD_US / 1e6
        while not over.wait(period * share):
            os.kill(pid, signal.SIGSTOP)
            over.wait(period * (1 - share))
            os.kill(pid, signal.SIGCONT)

    governor = threading.Thread(target=govern)
    governor.start()
    try:
        yield
    finally:
        over.set()
        governor.join()
        os.kill(pid, signal.SIGCONT)
