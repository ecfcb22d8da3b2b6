"""Check out the files of other commits, to compare them with the present ones."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """Check a commit out into `folder`, as a git worktree, while the block runs.

    Ends the program with a message and exit code 2 if git knows no such commit.
    """
    _refuse_unknown(commit)
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(folder), commit], cwd=ROOT, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(folder)], cwd=ROOT, check=False)


def _refuse_unknown(commit: str) -> None:
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}"]
    if subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode:
        print(f"rewards: git knows no commit {commit}: name one as BEFORE=HEAD~1", file=sys.stderr)
        raise SystemExit(2)
