"""Checks of the disk, folder and port before anything is started."""

import errno
import os
import shutil
import socket
from pathlib import Path

from app.errors import Misconfigured

# A year of sample data, its journal and the logs.
NEEDED_BYTES = 1 * 2**30


def check(folder: Path, port: int) -> None:
    """Raise Misconfigured if the disk is nearly full or the port is in use."""
    refuse_full_disk(folder, NEEDED_BYTES)
    if trouble := port_trouble(port):
        raise Misconfigured(f"{trouble}: make up PORT={_port_beside(port)}")


def refuse_full_disk(folder: Path, needed: int) -> None:
    """Raise Misconfigured if the folder's disk has fewer than `needed` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Misconfigured(f"the disk of {folder} has {free >> 20} MB left, {needed >> 20} MB are needed: make room")


def make_folder(folder: Path) -> None:
    """Create the folder with mode 700 if absent. Raises Misconfigured if that fails or the folder is unusable."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as refused:
        raise Misconfigured(f"{folder} can't be made: {refused.strerror}; choose another folder") from None
    refuse_unusable(folder)


def refuse_unusable(folder: Path) -> None:
    """Raise Misconfigured if another user owns the folder, or the current user can't write to it."""
    if (owner := folder.stat().st_uid) != os.geteuid():
        raise Misconfigured(f"{folder} belongs to user {owner}: run as that one, or in a copy of your own")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise Misconfigured(f"{folder} can't be written to: chmod 700 {folder}")


def port_trouble(port: int) -> str | None:
    """Return why no server can listen on the port ("port 80 is in use"); None if one can."""
    with socket.socket() as probe:
        # Ignores the closed connections of a server that has just ended.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OverflowError:
            return f"there is no port {port}"
        except OSError as refused:
            return _reason(port, refused)
        return None


def _reason(port: int, refused: OSError) -> str:
    match refused.errno:
        case errno.EADDRINUSE:
            return f"port {port} is in use"
        case errno.EACCES:
            return f"port {port} is only root's to listen on, as low ones are"
        case _:
            return f"port {port} can't be listened on ({refused.strerror})"


def _port_beside(port: int) -> int:
    """Return another port to propose: the next one if it is free, else any free one."""
    beside = port + 1
    return free_port() if port_trouble(beside) else beside


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
