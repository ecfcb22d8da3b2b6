"""If root starts the platform, PostgreSQL's server, which refuses root, runs as an unprivileged system user."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The user "nobody" of most systems, or the kernel's overflow id. No user is ever added.
UNPRIVILEGED = 65534


@dataclass(frozen=True)
class Account:
    """A system user and group, by their ids."""

    uid: int
    gid: int

    def popen(self) -> dict[str, Any]:
        """Return the arguments of subprocess.Popen that run a command as this account, without root's groups."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def server_account() -> Account | None:
    """Return the account to run PostgreSQL's server as; None means the current user."""
    return Account(UNPRIVILEGED, UNPRIVILEGED) if os.geteuid() == 0 else None


def open_to_others(paths: Iterable[Path]) -> bool:
    """Return true if, by the mode bits, every user may read all these paths and enter the folders above them."""
    folders: set[str] = set()
    for path in paths:
        mode = path.stat().st_mode
        if not mode & stat.S_IROTH or (stat.S_ISDIR(mode) and not mode & stat.S_IXOTH):
            return False
        folders.add(str(path.parent))
    parents = {parent for folder in folders for parent in (Path(folder).resolve() / "_").parents}
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in parents)
