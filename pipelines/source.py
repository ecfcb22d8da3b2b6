"""The connection to the repository, and the events that start a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from cloud.component import Component

# Documents: a change of these alone starts no run.
_DOCUMENTS = ("**/*.md", "LICENSE")


@dataclass(frozen=True, kw_only=True)
class SourceArgs:
    """`provider` is GitHub, GitLab or Bitbucket."""

    named: str
    provider: str = "GitHub"


class Source(Component):
    """AWS creates the connection pending: nothing is fetched until a person completes its handshake in the console."""

    connection_arn: pulumi.Output[str]

    def __init__(self, name: str, args: SourceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        connection = aws.codeconnections.Connection(name, name=args.named, provider_type=args.provider, opts=self.child)
        self.connection_arn = connection.arn
        self.publish()


def merged(branch: str, paths: Sequence[str]) -> dict[str, Any]:
    """A push to the branch that touches one of the paths, documents excluded. AWS allows 8 patterns in a list."""
    push = {
        "branches": {"includes": [branch]},
        "file_paths": {"includes": list(paths), "excludes": list(_DOCUMENTS)},
    }
    return _trigger(pushes=[push])


def pull_request(branch: str, events: Sequence[str], *, code_only: bool) -> dict[str, Any]:
    """Pull requests into the branch that are OPEN, UPDATED or CLOSED; the run is of the request's own commit."""
    about: dict[str, Any] = {"events": list(events), "branches": {"includes": [branch]}}
    if code_only:
        about["file_paths"] = {"excludes": list(_DOCUMENTS)}
    return _trigger(pull_requests=[about])


def _trigger(**of: Any) -> dict[str, Any]:
    return {"provider_type": "CodeStarSourceConnection", "git_configuration": {"source_action_name": "Source", **of}}
