"""The connection to the repository, and which of its events begin a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from cloud.component import Component

# A change of these alone changes nothing that runs.
_DOCUMENTS = ("**/*.md", "LICENSE")


@dataclass(frozen=True, kw_only=True)
class SourceArgs:
    """`provider`: GitHub, GitLab or Bitbucket."""

    named: str
    provider: str = "GitHub"


class Source(Component):
    """Made pending: somebody completes the handshake in the console once, and until then nothing is fetched."""

    connection_arn: pulumi.Output[str]

    def __init__(self, name: str, args: SourceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        connection = aws.codeconnections.Connection(name, name=args.named, provider_type=args.provider, opts=self.child)
        self.connection_arn = connection.arn
        self.publish()


def merged(branch: str, paths: Sequence[str]) -> dict[str, Any]:
    """A push to the branch that touches one of the paths and more than documents. AWS: at most 8 patterns a list."""
    push = {
        "branches": {"includes": [branch]},
        "file_paths": {"includes": list(paths), "excludes": list(_DOCUMENTS)},
    }
    return _trigger(pushes=[push])


def pull_request(branch: str, events: Sequence[str], *, code_only: bool) -> dict[str, Any]:
    """OPEN, UPDATED or CLOSED of a pull request into the branch; the run is of the request's own commit."""
    about: dict[str, Any] = {"events": list(events), "branches": {"includes": [branch]}}
    if code_only:
        about["file_paths"] = {"excludes": list(_DOCUMENTS)}
    return _trigger(pull_requests=[about])


def _trigger(**of: Any) -> dict[str, Any]:
    return {"provider_type": "CodeStarSourceConnection", "git_configuration": {"source_action_name": "Source", **of}}
