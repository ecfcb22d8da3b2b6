"""The connection of pipelines to the Git repository, and the triggers that start them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from cloud.component import Component

# A change of documents alone starts no run.
_DOCUMENTS = ("**/*.md", "LICENSE")


@dataclass(frozen=True, kw_only=True)
class SourceArgs:
    """Settings of the connection: `provider` is the Git host (GitHub, GitLab or Bitbucket)."""

    named: str
    provider: str = "GitHub"


class Source(Component):
    """A connection to the Git host. AWS creates it as pending; a person completes it in the console."""

    connection_arn: pulumi.Output[str]

    def __init__(self, name: str, args: SourceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        connection = aws.codeconnections.Connection(name, name=args.named, provider_type=args.provider, opts=self.child)
        self.connection_arn = connection.arn
        self.publish()


def merged(branch: str, paths: Sequence[str]) -> dict[str, Any]:
    """Returns a trigger that starts a run when a push to the branch changes files at `paths` (8 patterns at most)."""
    push = {
        "branches": {"includes": [branch]},
        "file_paths": {"includes": list(paths), "excludes": list(_DOCUMENTS)},
    }
    return _trigger(pushes=[push])


def pull_request(branch: str, events: Sequence[str], *, code_only: bool) -> dict[str, Any]:
    """Returns a trigger for OPEN, UPDATED or CLOSED events of pull requests; `code_only` ignores documentation."""
    about: dict[str, Any] = {"events": list(events), "branches": {"includes": [branch]}}
    if code_only:
        about["file_paths"] = {"excludes": list(_DOCUMENTS)}
    return _trigger(pull_requests=[about])


def _trigger(**git: Any) -> dict[str, Any]:
    return {"provider_type": "CodeStarSourceConnection", "git_configuration": {"source_action_name": "Source", **git}}
