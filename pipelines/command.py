"""Common parts of the commands `python -m pipelines.…`: their exit codes, and calls of git.

Imports the standard library only, because some of the commands run before any package is installed.
"""

import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from functools import wraps
from pathlib import Path
from typing import ParamSpec

P = ParamSpec("P")


class Refused(Exception):
    """Raised when a command stops before it changes anything; the message says why and what to do."""


class Failed(Exception):
    """Raised when a command fails after it may have changed something."""


def command(run: Callable[P, object]) -> Callable[P, int]:
    """Decorates a command's main function to return an exit code: 0, or 2 after Refused and 1 after Failed."""

    @wraps(run)
    def main(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            run(*args, **kwargs)
        except (Refused, Failed) as error:
            print(f"rewards: {error}", file=sys.stderr)
            return 2 if isinstance(error, Refused) else 1
        return 0

    return main


def flags_and_names(arguments: Sequence[str], known: Collection[str], usage: str) -> tuple[set[str], list[str]]:
    """Splits a command's arguments into flags, which begin with `--`, and names.

    Raises Refused, with `usage`, for a flag that is not in `known`.
    """
    flags = {argument for argument in arguments if argument.startswith("--")}
    if unknown := flags.difference(known):
        raise Refused(f"there is no flag {', '.join(sorted(unknown))}: {usage}")
    return flags, [argument for argument in arguments if not argument.startswith("--")]


def git(*arguments: str, root: Path | None = None) -> str:
    """Runs a git command in the folder `root`, or in the current one, and returns its output."""
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout  # noqa: S603, S607  the git on PATH is meant
