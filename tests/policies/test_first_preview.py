"""Tests of the policies in a first preview, when the cluster doesn't exist: Pulumi passes no property of its objects."""

from types import SimpleNamespace
from typing import Any, cast

from pulumi_policy import PolicyResource

from policies.rules.crossguard import subject_of
from policies.rules.rule import Stack, Subject
from tests.policies import good
from tests.policies.cases import RULES, judged


def passed(subject: Subject) -> Subject:
    """Return the subject that the policy pack makes in such a preview, where Kubernetes objects have no properties."""
    in_cluster = subject.type.startswith("kubernetes:")
    resource: Any = SimpleNamespace(
        resource_type=subject.type,
        name=subject.name,
        urn=subject.urn,
        props={} if in_cluster else subject.props,
        property_dependencies={},
        provider=None,
        opts=SimpleNamespace(protect=subject.protect),
    )
    return subject_of(cast("PolicyResource", resource))


def test_what_stands_in_it_is_undecided_and_never_a_violation() -> None:
    undecided = set()
    for stack in good.prod():
        first = Stack(tuple(map(passed, stack.subjects)))
        for name, rule in RULES.items():
            if not rule.looks_at_stack:
                continue
            for subject, verdict in judged(rule, first):
                if subject.type.startswith("kubernetes:"):
                    assert not verdict.faults, (name, subject.urn)
                    undecided |= {name} if verdict.unknown else set()
    assert {"deployment-disruption-budget", "deployment-autoscaled", "namespace-default-deny"} <= undecided
