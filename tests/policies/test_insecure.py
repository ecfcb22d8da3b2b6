"""Tests that the policy pack reports each insecure change to prod, with a fix that says what to do."""

from collections import defaultdict

import pytest

from stacks.offline import verdict
from stacks.offline.policy import graph_of
from stacks.offline.recording import Graph, Resource
from tests.policies.cases import TODAY
from tests.policies.insecure import CHANGES, Added

_STACK = "apps.prod"
Fixes = dict[str, dict[str, str]]
"""The fixes of the policies that tell of a resource, by its name and by policy."""


def added(name: str, place: int, of: Added) -> Resource:
    type_, inputs = of
    urn = f"urn:pulumi:{_STACK}::rewards::{type_}::{name} {place}"
    return Resource(urn, type_, f"{name} {place}", _STACK, inputs, "", frozenset(), "", False, (), True)


@pytest.fixture(scope="module")
def fixes() -> Fixes:
    """Make all insecure changes at once; return the fixes of the violated policies, by change and policy name."""
    resources = [added(name, at, of) for name, (_, _, those) in CHANGES.items() for at, of in enumerate(those)]
    graph = graph_of("prod")
    report = verdict.judge(Graph((*graph.resources, *resources), graph.exports), "prod", today=TODAY)
    by_change: Fixes = defaultdict(dict)
    for finding in report.findings:
        if finding.stops:
            by_change[finding.urn.rpartition("::")[2].rpartition(" ")[0]][finding.policy] = finding.fix
    return by_change


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_an_insecure_change_is_refused_with_its_fix(name: str, fixes: Fixes) -> None:
    policy, word, _ = CHANGES[name]
    assert word in fixes[name].get(policy, ""), sorted(fixes[name])
