"""Tests that whatever calls an endpoint can reach it, by network rules that exist before the call.

A call has a caller, the caller's security group, and an endpoint: a security group and port, or an AWS service. A rule
counts if it is in a lower layer, or if the caller depends on it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest

from cloud import ledger as ledgers
from stacks.offline.recording import Graph, Resource
from stacks.settings import Layer
from tests.stacks.graphs import ENVIRONMENTS, graph_of

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
ANYWHERE = "0.0.0.0/0"
LAYERS = list(Layer)
# The services that permissions name, as their VPC endpoints are called; S3's endpoint is a gateway.
ENDPOINTS = {
    "ecr": ("ecr.api", "ecr.dkr"),
    "kinesis": ("kinesis-streams",),
    "kms": ("kms",),
    "logs": ("logs",),
    "secretsmanager": ("secretsmanager",),
    "sts": ("sts",),
}
# What Kubernetes' nodes call before a pod can run, and what a build calls before its first command.
NODE_CALLS = frozenset({"ecr", "s3", "sts"})
BUILD_CALLS = frozenset({"logs", "s3", "sts"})
IN_VPC_ONLY = frozenset({"rds-db"})


@dataclass(frozen=True)
class Call:
    """A call from a security group in private subnets, made by the resource `caller` or on its behalf.

    It goes to `port` of the security group `server`, or to AWS `services`.
    """

    caller: Resource
    group: str
    server: str | None = None
    port: int = 443
    services: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Reach:
    """The network rules of a graph that exist before `caller` does, and the connections that they allow."""

    graph: Graph
    caller: Resource

    @cached_property
    def before(self) -> set[str]:
        """The URNs of all resources made before the caller: those of lower layers, and its own dependencies."""
        lower = LAYERS[: LAYERS.index(Layer(self.caller.layer))]
        return {resource.urn for resource in self.graph.resources if resource.layer in lower} | _dependencies(
            self.graph, self.caller
        )

    def rules(self, token: str) -> Iterator[dict[str, Any]]:
        before = self.before
        for rule in self.graph.of(token):
            if rule.urn in before:
                yield dict(rule.inputs)

    def enters(self, server: str, client: str, port: int) -> bool:
        return any(
            rule["securityGroupId"] == server
            and rule.get("referencedSecurityGroupId") == client
            and rule["fromPort"] <= port <= rule["toPort"]
            for rule in self.rules(INGRESS)
        )

    def leaves(self, client: str, server: str | None, port: int) -> bool:
        """Return whether egress rules let the client's group connect; EKS opens the cluster's group to everything."""
        if client == _cluster_group(self.graph):
            return True
        return any(
            rule["securityGroupId"] == client
            and (rule.get("cidrIpv4") == ANYWHERE or (server and rule.get("referencedSecurityGroupId") == server))
            and rule["fromPort"] <= port <= rule["toPort"]
            for rule in self.rules(EGRESS)
        )

    def connects(self, client: str, server: str, port: int) -> bool:
        return self.enters(server, client, port) and self.leaves(client, server, port)

    def calls_aws(self, client: str, service: str) -> bool:
        """Return whether the client's group reaches an AWS service: by its VPC endpoint if it has one, else by NAT."""
        before, base = self.before, f"base.{self.caller.stack.partition('.')[2]}"
        names = {
            endpoint.inputs["serviceName"].split(".", 3)[3]
            for endpoint in self.graph.of("aws:ec2/vpcEndpoint:VpcEndpoint")
            if endpoint.urn in before
        }
        endpoints = self.graph.exports[base]["endpointsGroupId"]
        private = [name for name in ENDPOINTS.get(service, (service,)) if name in names and service != "s3"]
        public = service != "s3" and len(private) < len(ENDPOINTS.get(service, (service,)))
        by_nat = [
            route
            for route in self.graph.of("aws:ec2/route:Route")
            if route.inputs.get("natGatewayId") and "-private-" in route.name and route.urn in before
        ]
        return (
            (not private or self.connects(client, endpoints, 443))
            and (not public or (len(by_nat) == 3 and self.leaves(client, None, 443)))
            and (service != "s3" or ("s3" in names and self.leaves(client, None, 443)))
        )


def _dependencies(graph: Graph, resource: Resource) -> set[str]:
    """Return the URNs of all resources that a resource depends on, directly, by its provider or by other resources."""
    by_urn = {other.urn: other for other in graph.resources}
    waited: set[str] = set()
    open_ = [resource]
    while open_:
        current = open_.pop()
        provider = current.provider.rsplit("::", 1)[0]
        for urn in {*current.dependencies, *([provider] if provider in by_urn else [])} - waited:
            waited.add(urn)
            if urn in by_urn:
                open_.append(by_urn[urn])
    return waited


def _cluster_group(graph: Graph) -> str:
    (exports,) = [exports for stack, exports in graph.exports.items() if stack.startswith("cluster.")]
    group: str = exports["podsGroupId"]
    return group


def _services(graph: Graph, role_arn_or_name: str) -> frozenset[str]:
    """Return the AWS services whose actions a role's inline policy allows."""
    return frozenset(
        action.split(":")[0]
        for policy in graph.of("aws:iam/rolePolicy:RolePolicy")
        if policy.name == role_arn_or_name
        for statement in json.loads(policy.inputs["policy"])["Statement"]
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
    )


def calls(graph: Graph, environment: str) -> Iterator[Call]:
    """Yield every call in an environment for which a security group must be open."""
    base, data = graph.exports[f"base.{environment}"], graph.exports[f"data.{environment}"]
    pods, ledger, runner = _cluster_group(graph), data["ledgerGroupId"], base["runnerGroupId"]
    for resource in graph.resources:
        if resource.token.startswith("kubernetes:"):
            yield Call(resource, runner, pods)  # whoever deploys calls Kubernetes' API for it
        if resource.token in {"kubernetes:apps/v1:Deployment", "kubernetes:batch/v1:Job"}:
            yield Call(resource, pods, ledger, ledgers.PORT)
            yield Call(resource, pods, services=NODE_CALLS | (_services(graph, resource.name) - IN_VPC_ONLY))
        if resource.token == "aws:eks/addon:Addon":
            yield Call(resource, pods, services=NODE_CALLS)
        if resource.token == "aws:lambda/function:Function" and resource.inputs.get("vpcConfig"):
            (group,) = resource.inputs["vpcConfig"]["securityGroupIds"]
            yield Call(resource, group, ledger, ledgers.PORT)
            yield Call(resource, group, services=_services(graph, resource.name) - IN_VPC_ONLY)
        if resource.token in {"aws:redshift/cluster:Cluster", "aws:redshiftserverless/workgroup:Workgroup"}:
            groups = resource.inputs.get("vpcSecurityGroupIds") or resource.inputs["securityGroupIds"]
            loader = graph.named("aws:lambda/function:Function", "warehouse-load")  # which has it copy from S3
            yield from (Call(loader, group, services=frozenset({"s3"})) for group in groups)


def builds(graph: Graph) -> list[Resource]:
    projects = graph.of("aws:codebuild/project:Project")
    return [project for project in projects if project.inputs.get("vpcConfig")]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_whatever_calls_an_endpoint_reaches_it_when_it_is_made(environment: str) -> None:
    graph = graph_of(environment)
    known = list(calls(graph, environment))
    assert {call.caller.layer for call in known} == {Layer.CLUSTER, Layer.APPS}
    assert len(known) > 40
    lacking = [
        (call.caller.name, call.server, service)
        for call in known
        for reach in [Reach(graph, call.caller)]
        for service in [*call.services, None]
        if (service and not reach.calls_aws(call.group, service))
        or (service is None and call.server and not reach.connects(call.group, call.server, call.port))
    ]
    assert not lacking


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_builds_in_the_vpc_reach_kubernetes_aws_and_what_they_install(environment: str) -> None:
    """Builds start after all layers are deployed, so rules of every layer count."""
    graph = graph_of(environment)
    pods = _cluster_group(graph)
    assert {"runner"} < {build.name for build in builds(graph)}
    for build in builds(graph):
        (group,) = build.inputs["vpcConfig"]["securityGroupIds"]
        called = graph.named("aws:lambda/alias:Alias", "nightly-rewards")  # the last layer below delivery
        reach = Reach(graph, called)
        assert reach.connects(group, pods, 443), build.name
        for service in BUILD_CALLS | _services(graph, build.name):
            assert reach.calls_aws(group, service), (build.name, service)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_runner_administers_kubernetes_before_its_first_object_and_nobody_else_does(environment: str) -> None:
    graph = graph_of(environment)
    (cluster,) = graph.of("eks:index:Cluster")
    assert not cluster.inputs["accessEntries"]
    entry = graph.named("aws:eks/accessEntry:AccessEntry", "cluster-runner")
    level = graph.named("aws:eks/accessPolicyAssociation:AccessPolicyAssociation", "cluster-runner")
    assert entry.inputs["principalArn"] == graph.exports[f"base.{environment}"]["runnerRoleArn"]
    assert level.inputs["policyArn"].endswith("AmazonEKSClusterAdminPolicy")
    objects = [resource for resource in graph.resources if resource.token.startswith("kubernetes:")]
    first = [resource for resource in objects if resource.layer == Layer.CLUSTER]
    assert first
    for resource in first:
        assert {cluster.urn, entry.urn, level.urn} <= _dependencies(graph, resource)
