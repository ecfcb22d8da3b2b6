"""The file `.rewards/state.json`, the platform's state on this machine, and the lock that a `rewards up` holds."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import psutil

from app.errors import Misconfigured
from app.local.files import write_private


@dataclass(frozen=True)
class State:
    """The platform's state: the API's address, the processes' environment variables with secrets, and process ids.

    `pid` is the supervisor's process id, None after it stopped; `born` is the supervisor's start time.
    """

    api: str
    environment: dict[str, str]
    pid: int | None = None
    born: float = 0.0
    processes: dict[str, int] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        """True if the supervisor runs: a process has both its pid and its start time, because pids are reused."""
        return self.pid is not None and _born(self.pid) == self.born

    def owned(self) -> "State":
        """Return this state with the current process as the supervisor."""
        return replace(self, pid=os.getpid(), born=_born(os.getpid()) or 0.0)

    def stopped(self) -> "State":
        return replace(self, pid=None, processes={})


def read(folder: Path) -> State | None:
    """Return the state in the folder's state.json; None without that file. Raises Misconfigured if it is unreadable."""
    path = folder / "state.json"
    try:
        return State(**json.loads(path.read_text()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError):
        raise Misconfigured(f"{path} can't be read; remove it and `make up`") from None
    except PermissionError:
        raise Misconfigured(f"{path} belongs to another user; run as that one") from None


def write(folder: Path, state: State) -> None:
    write_private(folder / "state.json", json.dumps(asdict(state), indent=1))


def environment(folder: Path) -> dict[str, str]:
    """Return the environment variables of the folder's running platform. Raises Misconfigured if none runs."""
    state = read(folder)
    if state is None or not state.running:
        raise Misconfigured(f"nothing is running here ({folder}): make up")
    return state.environment


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder's lock while the `with` block runs. Raises Misconfigured if another process holds the lock."""
    with open(folder / "lock", "a", opener=lambda path, flags: os.open(path, flags, 0o600)) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            state = read(folder)
            by = f" (process {state.pid}, {state.api})" if state and state.running else ""
            raise Misconfigured(f"the platform already runs in {folder}{by}; stop that one first") from None
        yield


def alive(pid: int) -> bool:
    return _born(pid) is not None


def _born(pid: int) -> float | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None
