"""Prints the number of the pull request whose head is a commit: `python -m pipelines.pull_request` in a clone.

CodePipeline starts a run with the pull request's commit and branch, without its number. The Git host keeps the head of
each pull request as a ref, even after it is closed: GitHub `refs/pull/7/head`, GitLab `refs/merge-requests/7/head`. If
several pull requests have the same head, the newest is taken.
"""

import re
import sys
from collections.abc import Sequence

from pipelines.command import Refused, command, git

_HEAD = re.compile(r"([0-9a-f]{40,64})\s+refs/(?:pull|merge-requests)/(\d+)/head")


def number(commit: str, refs: str) -> int:
    """Returns the number of the pull request with head `commit` in `git ls-remote`'s output. Raises Refused if none."""
    requests = [int(request) for head, request in _HEAD.findall(refs) if head == commit]
    if not requests:
        raise Refused(f"no pull request's head is {commit}")
    return max(requests)


@command
def main(arguments: Sequence[str]) -> None:
    """Prints the pull request's number for the commit in the first argument, or for HEAD."""
    commit = arguments[0] if arguments else git("rev-parse", "HEAD").strip()
    print(number(commit, git("ls-remote", "origin", "refs/pull/*/head", "refs/merge-requests/*/head")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
