"""Find and stop the PostgreSQL server of a data folder, by the list of processes, because pid files may be stale."""

import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

from app.errors import Misconfigured

_SHUTDOWN_S = 40.0
_POLL_S = 0.05


def release(data: Path) -> None:
    """Shut down the data folder's server if one runs, and remove its pid file.

    Raises Misconfigured if the process that started the server is still running.
    """
    deadline = time.monotonic() + _SHUTDOWN_S
    while (server := postmaster(data)) and (guard := _guard(server)):
        if starter := _living_starter(guard):
            raise Misconfigured(f"postgres: {data} is in use by process {starter}; stop that one first")
        if time.monotonic() > deadline:
            _send(guard, signal.SIGKILL)
        time.sleep(_POLL_S)
    _end(data)
    (data / "postmaster.pid").unlink(missing_ok=True)


def postmaster(data: Path) -> psutil.Process | None:
    """Return the main process of the data folder's server; None if no server runs."""
    working = servers(data)
    pids = {process.pid for process in working}
    return next((process for process in working if _parent(process) not in pids), None)


def servers(data: Path) -> list[psutil.Process]:
    """Return the processes of the data folder's server, also child processes left by a killed server."""
    named = [process for process in psutil.process_iter(["name"]) if process.info["name"] == "postgres"]
    return [process for process in named if _works_in(process, data)]


def _works_in(process: psutil.Process, data: Path) -> bool:
    try:
        return data.samefile(process.cwd())
    except psutil.AccessDenied:
        # root in a container can't read other users' working folders, but it can read their command lines.
        return _says(process, data)
    except (psutil.Error, OSError):
        return False


def _says(process: psutil.Process, data: Path) -> bool:
    try:
        return ["-D", str(data)] == process.cmdline()[1:3]
    except psutil.Error:
        return False


def _parent(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.Error:
        return 0


def _guard(server: psutil.Process) -> psutil.Process | None:
    """Return the server's guard, its parent process (app.local.child); None if the guard was killed."""
    try:
        parent = server.parent()
        return parent if parent and "app.local.child" in parent.cmdline() else None
    except psutil.Error:
        return None


def _living_starter(guard: psutil.Process) -> int | None:
    try:
        starter = int(guard.cmdline()[4])
        return starter if psutil.Process(starter).create_time() <= guard.create_time() else None
    except (psutil.Error, ValueError, IndexError):
        return None


def _end(data: Path) -> None:
    """Shut down a server whose guard process was killed, and child processes that a killed server left."""
    for number, patience in ((signal.SIGINT, _SHUTDOWN_S), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + patience
        if server := postmaster(data):
            _send(server, number)
        while servers(data) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if not servers(data):
            return
    raise Misconfigured(f"postgres: a server in {data} does not end; restart the machine")


def _send(process: psutil.Process, number: int) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
