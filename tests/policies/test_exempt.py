"""Tests of exemptions: a rule that does not apply to a resource gives the reason, and without a reason it applies."""

import json
from dataclasses import replace
from typing import Any

import pytest
from pulumi_policy.proxy import unknown_checking_proxy

from policies.rules.pods import DEPLOYMENT
from policies.rules.rule import Stack
from policies.rules.warehouse import RELOCATED
from stacks.offline import pack, verdict
from stacks.settings import Layer
from stacks.sizes import Size
from tests.policies import good
from tests.policies.cases import REMOVED, RULES, TODAY, UNKNOWN, Change, apply, changed, judged
from tests.stacks.graphs import graph_of

VPC, ENDPOINT = "aws:ec2/vpc:Vpc", "aws:ec2/vpcEndpoint:VpcEndpoint"
CLUSTER = "aws:redshift/cluster:Cluster"
RELOCATION = "availabilityZoneRelocationEnabled"


def stack(layer: Layer, size: Size) -> Stack:
    (only,) = good.stacks(graph_of("dev", (Layer.BASE, Layer.DATA), size=size), "dev")[layer is Layer.DATA :][:1]
    return only


def test_a_vpc_that_says_why_needs_no_endpoint_for_ec2() -> None:
    ((_, verdict_of_vpc),) = judged(RULES["vpc-ec2-endpoint"], stack(Layer.BASE, Size.SMALL))
    assert not verdict_of_vpc.faults
    assert "Nothing in the VPC calls EC2" in verdict_of_vpc.exempt


@pytest.mark.parametrize("change", [(VPC, "tags", REMOVED), (ENDPOINT, "vpcEndpointType", "Interface")])
def test_a_vpc_without_a_reason_or_without_a_gateway_for_s3_needs_one(change: Change) -> None:
    ((_, verdict_of_vpc),) = judged(RULES["vpc-ec2-endpoint"], apply(stack(Layer.BASE, Size.SMALL), change))
    assert verdict_of_vpc.faults


def test_a_cluster_that_is_relocated_need_not_stand_in_two_zones() -> None:
    ((_, verdict_of_cluster),) = judged(RULES["warehouse-in-two-zones"], stack(Layer.DATA, Size.STANDARD))
    assert verdict_of_cluster.exempt == RELOCATED


def test_a_cluster_in_two_zones_passes_and_whose_relocation_is_unknown_is_undecided() -> None:
    rule, large = RULES["warehouse-in-two-zones"], stack(Layer.DATA, Size.LARGE)
    ((_, two_zones),) = judged(rule, large)
    assert (two_zones.faults, two_zones.unknown, two_zones.exempt) == ((), (), "")
    ((subject, _),) = judged(rule, stack(Layer.DATA, Size.STANDARD))
    props: Any = unknown_checking_proxy({**changed(subject.props, RELOCATION, UNKNOWN), "multiAz": UNKNOWN})
    ((_, undecided),) = judged(rule, Stack((replace(subject, props=props),)))
    assert undecided.unknown
    assert not undecided.exempt


def test_a_deployment_that_runs_may_have_more_pods_than_its_autoscalers_minimum() -> None:
    """A running Deployment's replicas are the autoscaler's choice; a new one's are the program's."""
    rule = RULES["deployment-autoscaled"]
    apps = next(stack for stack in good.stacks(graph_of("dev"), "dev") if DEPLOYMENT in stack.by_type)
    scaled = apply(apps, (DEPLOYMENT, "spec.replicas", 9))
    assert [fault for _, verdict in judged(rule, scaled) for fault in verdict.faults]
    running = apply(scaled, (DEPLOYMENT, "status", {"replicas": 9}))
    assert not [fault for _, verdict in judged(rule, running) for fault in verdict.faults]


@pytest.mark.slow
@pytest.mark.parametrize("size", Size)
def test_every_size_holds_strictly_and_says_what_does_not_apply(size: Size) -> None:
    """Judges dev by prod's policy levels, with the settings of environments that keep their data."""
    strict = json.loads(pack.config_file("prod").read_text())
    graph = graph_of("dev", size=size, deletionProtection=True, archiveLockDays=2557)
    report = verdict.judge(graph, "dev", strict, today=TODAY)
    assert not report.of("violated"), report.text()
    exempt = {"small": ["vpc-ec2-endpoint"], "standard": ["warehouse-in-two-zones"], "large": []}
    assert [finding.policy for finding in report.of("exempt")] == exempt[size]
