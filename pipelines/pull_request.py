"""Which pull request a commit is of: `python -m pipelines.pull_request` in a clone prints its number.

CodePipeline starts a run with a request's commit and its branch's name, and tells no number. The host of the repository
keeps each request's head as a ref, after it was closed, too: GitHub `refs/pull/7/head`, GitLab
`refs/merge-requests/7/head`. Where several have the same head, the youngest is meant.
"""

import re
import subprocess
import sys
from collections.abc import Sequence

_HEAD = re.compile(r"([0-9a-f]{40,64})\s+refs/(?:pull|merge-requests)/(\d+)/head")


class Unknown(Exception):
    """No pull request has this commit as its head."""


def number(commit: str, refs: str) -> int:
    """`refs` as `git ls-remote` prints them. Raises Unknown."""
    found = [int(request) for head, request in _HEAD.findall(refs) if head == commit]
    if not found:
        raise Unknown(f"no pull request's head is {commit}")
    return max(found)


def _git(*command: str) -> str:
    return subprocess.run(["git", *command], check=True, capture_output=True, text=True).stdout  # noqa: S603, S607


def main(arguments: Sequence[str]) -> int:
    """The commit is HEAD, or the one that is named."""
    commit = arguments[0] if arguments else _git("rev-parse", "HEAD").strip()
    try:
        print(number(commit, _git("ls-remote", "origin", "refs/pull/*/head", "refs/merge-requests/*/head")))
    except Unknown as unknown:
        print(f"rewards: {unknown}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
