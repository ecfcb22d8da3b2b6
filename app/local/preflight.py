"""What can be known to fail before anything is started."""

import os
import shutil
import socket
from pathlib import Path

from app.errors import Misconfigured

# A year of sample data, its journal and the logs.
NEEDED_BYTES = 1 * 2**30


def check(folder: Path, port: int) -> None:
    """Raises Misconfigured with what to do, where the disk is nearly full or the port taken."""
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise Misconfigured(
            f"the disk of {folder} has {free >> 20} MB left, {NEEDED_BYTES >> 20} MB are needed: make room"
        )
    if not port_is_free(port):
        raise Misconfigured(f"port {port} is in use: make up PORT={port + 1 if port < 65535 else free_port()}")


def make_folder(folder: Path) -> None:
    """Private, if absent. Raises Misconfigured where that can't be done or others own it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as refused:
        raise Misconfigured(f"{folder} can't be made: {refused.strerror}; choose another folder") from None
    refuse_unusable(folder)


def refuse_unusable(folder: Path) -> None:
    """Raises Misconfigured for a folder of another user, or one that its owner may not write to."""
    if (owner := folder.stat().st_uid) != os.geteuid():
        raise Misconfigured(f"{folder} belongs to user {owner}: run as that one, or in a copy of your own")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise Misconfigured(f"{folder} can't be written to: chmod 700 {folder}")


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Connections of a server that ended just now do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
        return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
