"""Choose the system user of the database server: PostgreSQL refuses root, and root's folders are closed to others."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# "nobody" wherever there is one; the kernel's overflow id elsewhere. No user is ever added.
UNPRIVILEGED = 65534


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int

    def popen(self) -> dict[str, Any]:
        """Return subprocess's arguments that run a command as this account, without root's groups."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def server_account() -> Account | None:
    """Return the account to run the server as; None means the caller's own."""
    return Account(UNPRIVILEGED, UNPRIVILEGED) if os.geteuid() == 0 else None


def open_to_others(paths: Iterable[Path]) -> bool:
    """Return true if an account that owns none of these paths may read them all, and enter their folders.

    Judges by mode bits; a wrong no only costs a copy.
    """
    folders: set[str] = set()
    for path in paths:
        mode = path.stat().st_mode
        if not mode & stat.S_IROTH or (stat.S_ISDIR(mode) and not mode & stat.S_IXOTH):
            return False
        folders.add(str(path.parent))
    parents = {parent for folder in folders for parent in (Path(folder).resolve() / "_").parents}
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in parents)
