"""Tests that the roles of builds that deploy allow each call by which Terraform's AWS provider makes their resources.

moto's IAM judges the recorded calls of each resource in a role's layers by the role's own statements.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines import layer_permissions
from stacks.offline.recording import Graph
from tests.pipelines import replayed
from tests.pipelines.replayed import OPERATIONS, Call
from tests.pipelines.test_build_permissions import DEPLOYING, own
from tests.pipelines.test_handed_out import PREVIEWS
from tests.stacks.graphs import graph_of, preview_on_dev

BUILDS = [
    *((environment, role) for environment in ("prod", "staging") for role in DEPLOYING),
    ("dev", "runner"),
    *(("pr-123", role) for role in sorted(PREVIEWS)),
]
Statements = Sequence[Mapping[str, Any]]


def built(environment: str, role: str) -> tuple[Graph, list[str], Statements]:
    """Return the graph in which a role's resources are, the stacks that it deploys, and its statements."""
    if role in PREVIEWS:
        graph = preview_on_dev()
        return graph, [f"apps.{environment}"], own(graph)[role]
    graph = graph_of(environment)
    return graph, [f"{layer}.{environment}" for layer in DEPLOYING[role]], own(graph)[role]


def calls_of(graph: Graph, stacks: Sequence[str]) -> dict[Call, str]:
    """Return the recorded calls of all resources in some stacks, each with a resource that it is made for."""
    calls: dict[Call, str] = {}
    known = {*replayed.recorded(), *replayed.COMPONENTS}
    for resource in graph.resources:
        if resource.stack in stacks and resource.token in known:
            calls.update(dict.fromkeys(replayed.calls(graph, resource), f"{resource.token} {resource.name}"))
    return calls


def denied(statements: Statements, calls: Mapping[Call, str]) -> dict[Call, str]:
    with replayed.judging(statements) as may:
        return {call: resource for call, resource in sorted(calls.items()) if not may(call)}


def is_a_persons(call: Call) -> bool:
    """Return whether only a person may make a call: it changes the runner, or prepares to empty a bucket."""
    changes_runner = re.search(r"[:/]delivery-\w+-runner$", call.arn) is not None
    return changes_runner or call.action == "s3:ListBucketVersions"


@pytest.mark.parametrize(("environment", "role"), BUILDS)
def test_a_build_may_make_each_call_that_its_resources_need(environment: str, role: str) -> None:
    graph, stacks, statements = built(environment, role)
    calls = calls_of(graph, stacks)
    assert len(calls) > 200
    refused = denied(statements, calls)
    assert {call: resource for call, resource in refused.items() if not is_a_persons(call)} == {}
    assert bool(refused) == (role in {"up-base", "up-data"})


def without(statements: Statements, action: str) -> list[dict[str, Any]]:
    """Return the statements less an action, by the pattern that allows it."""
    kept = [{**row, "Action": [each for each in row["Action"] if each != action]} for row in statements]
    assert kept != list(statements)
    return [row for row in kept if row["Action"]]


@pytest.mark.parametrize(
    ("role", "action", "call"),
    [
        ("up-base", "sns:Subscribe", "sns:Subscribe"),
        ("up-data", "kinesis:DescribeLimits", "kinesis:DescribeLimits"),
        ("up-data", "rds:Create*", "rds:CreateDBCluster"),
        ("up-data", "secretsmanager:CancelRotateSecret", "secretsmanager:CancelRotateSecret"),
        ("runner", "wafv2:DisassociateWebACL", "wafv2:DisassociateWebACL"),
        ("runner", "lambda:PublishVersion", "lambda:PublishVersion"),
    ],
)
def test_an_action_less_is_told(role: str, action: str, call: str) -> None:
    graph, stacks, statements = built("prod", role)
    refused = denied(without(statements, action), calls_of(graph, stacks))
    assert call in {refusal.action for refusal in refused}


def test_what_is_denied_counts_more_than_what_is_allowed() -> None:
    graph, stacks, statements = built("prod", "up-data")
    deny = {"Effect": "Deny", "Action": ["kinesis:CreateStream"], "Resource": ["*"]}
    refused = denied([*statements, deny], calls_of(graph, stacks))
    assert {call.action for call in refused if not is_a_persons(call)} == {"kinesis:CreateStream"}


def test_another_environments_buckets_are_refused() -> None:
    _, _, statements = built("prod", "up-data")
    graph, stacks, _ = built("staging", "up-data")
    calls = {call: name for call, name in calls_of(graph, stacks).items() if call.action.startswith("s3:")}
    assert denied(statements, calls) == calls
    assert calls


def test_a_preview_may_make_nothing_of_devs() -> None:
    graph, _, statements = built("pr-123", "preview-up")
    making = {
        call: name
        for call, name in calls_of(graph, ["apps.dev", "data.dev"]).items()
        if call.action.partition(":")[2].startswith("Create") and "rewards-dev-" in call.arn
    }
    assert denied(statements, making) == making
    assert len({call.action for call in making}) > 3


def test_each_type_is_recorded_or_its_reason_is_given() -> None:
    graphs = [preview_on_dev(), *(graph_of(environment) for environment in ("dev", "prod", "staging"))]
    deployed = {layer for layers in DEPLOYING.values() for layer in layers}
    resources = [resource for graph in graphs for resource in graph.resources if resource.custom]
    types = {it.token for it in resources if it.layer in deployed and it.token.startswith("aws:")}
    recorded, reasons = replayed.recorded(), replayed.not_recorded()
    assert types <= recorded.keys() | reasons.keys()
    partial = {token for token, typed in recorded.items() if not {"create", "read", "delete"} <= typed.calls.keys()}
    assert partial | (types - recorded.keys()) == set(reasons)
    assert all(typed.calls.keys() <= set(OPERATIONS) for typed in recorded.values())


def test_the_readme_says_what_moto_cannot_judge() -> None:
    readme = Path(layer_permissions.__file__).with_name("README.md").read_text()
    sentence = " ".join(readme.partition("moto can't judge ")[2].partition(".")[0].split())
    assert sentence == ", ".join(replayed.UNJUDGED)
