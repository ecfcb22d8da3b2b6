"""Finds a commit's pull request: `python -m pipelines.pull_request` in a clone prints its number.

CodePipeline starts a run with the request's commit and branch, without its number. The repository's host keeps each
request's head as a ref, even after it is closed: GitHub `refs/pull/7/head`, GitLab `refs/merge-requests/7/head`. If
several have the same head, the newest is taken.
"""

import re
import subprocess
import sys
from collections.abc import Sequence

_HEAD = re.compile(r"([0-9a-f]{40,64})\s+refs/(?:pull|merge-requests)/(\d+)/head")


class Unknown(Exception):
    """No pull request has this commit as its head."""


def number(commit: str, refs: str) -> int:
    """`refs` is the output of `git ls-remote`. Raises Unknown."""
    requests = [int(request) for head, request in _HEAD.findall(refs) if head == commit]
    if not requests:
        raise Unknown(f"no pull request's head is {commit}")
    return max(requests)


def _git(*command: str) -> str:
    return subprocess.run(["git", *command], check=True, capture_output=True, text=True).stdout  # noqa: S603, S607


def main(arguments: Sequence[str]) -> int:
    """The commit is the argument, or HEAD."""
    commit = arguments[0] if arguments else _git("rev-parse", "HEAD").strip()
    try:
        print(number(commit, _git("ls-remote", "origin", "refs/pull/*/head", "refs/merge-requests/*/head")))
    except Unknown as unknown:
        print(f"rewards: {unknown}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
