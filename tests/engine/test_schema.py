"""Tests that the stand-in providers refuse invalid inputs before they make a resource, as AWS and Kubernetes would."""

import re
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, struct_pb2
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2 as messages
from pulumi.runtime.proto import provider_pb2_grpc

from tests.engine import providers, schema
from tests.stacks.graphs import ENVIRONMENTS, graph_of, preview_on_dev

STREAM = "aws:kinesis/stream:Stream"
FUNCTION = "aws:lambda/function:Function"
CLUSTER = "aws:rds/cluster:Cluster"
RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
EKS = "eks:index:Cluster"
POD: dict[str, Any] = {"containers": [{"name": "app", "image": "registry/app@sha256:1"}]}
GOOD: dict[str, dict[str, Any]] = {
    STREAM: {"streamModeDetails": {"streamMode": "ON_DEMAND"}, "retentionPeriod": 168},
    FUNCTION: {"role": "arn:aws:iam::123456789012:role/x", "runtime": "python3.13", "memorySize": 512},
    CLUSTER: {
        "engine": "aurora-postgresql",
        "serverlessv2ScalingConfiguration": {"minCapacity": 0.5, "maxCapacity": 4},
    },
    RULE: {"securityGroupId": "sg-1", "ipProtocol": "tcp", "fromPort": 443},
    "aws:sqs/queue:Queue": {"messageRetentionSeconds": 1_209_600},
    "aws:dynamodb/table:Table": {"billingMode": "PAY_PER_REQUEST", "attributes": [{"name": "id", "type": "S"}]},
    "aws:kms/key:Key": {"enableKeyRotation": True},
    EKS: {"authenticationMode": "API", "autoMode": {"enabled": True}},
    DEPLOYMENT: {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "orders"},
        "spec": {
            "selector": {"matchLabels": {"app": "orders"}},
            "template": {"metadata": {"labels": {"app": "orders"}}, "spec": POD},
        },
    },
}
ABSENT = object()
WRONG: list[tuple[str, str, Any, str]] = [
    (STREAM, "shards", 2, "shards is no input"),
    (STREAM, "retentionPeriod", "a week", "retentionPeriod is 'a week', and no int"),
    (STREAM, "retentionPeriod", 24.5, "retentionPeriod is 24.5, and no int"),
    (STREAM, "retentionPeriod", True, "retentionPeriod is True, and no int"),
    (STREAM, "streamModeDetails", {}, "streamModeDetails.streamMode is required"),
    (STREAM, "streamModeDetails", {"streamMode": "ONDEMAND"}, "streamModeDetails.streamMode is 'ONDEMAND'"),
    (STREAM, "streamModeDetails", "ON_DEMAND", "streamModeDetails is 'ON_DEMAND', and no"),
    (STREAM, "encryptionType", "AES256", "encryptionType is 'AES256', and AWS knows KMS, NONE"),
    (STREAM, "shardLevelMetrics", "ALL", "shardLevelMetrics is 'ALL', and no Sequence"),
    (STREAM, "shardLevelMetrics", [1], r"shardLevelMetrics\[0\] is 1.*, and no str"),
    (STREAM, "tags", {"team": ["a"]}, r"tags.team is \['a'\], and no str"),
    (FUNCTION, "role", ABSENT, "role is required"),
    (FUNCTION, "runtime", "python3.7.1", "runtime is 'python3.7.1', and AWS knows"),
    (FUNCTION, "architectures", ["arm"], r"architectures\[0\] is 'arm', and AWS knows arm64, x86_64"),
    (FUNCTION, "tracingConfig", {"mode": "On"}, "tracingConfig.mode is 'On'"),
    (FUNCTION, "environment", {"variables": {"A": {"b": "c"}}}, "environment.variables.A is"),
    (CLUSTER, "engine", ABSENT, "engine is required"),
    (CLUSTER, "serverlessv2ScalingConfiguration", {"minCapacity": 1}, "serverlessv2ScalingConfiguration.maxCapacity"),
    (CLUSTER, "storageEncrypted", "yes", "storageEncrypted is 'yes', and no bool"),
    (RULE, "ipProtocol", ABSENT, "ipProtocol is required"),
    (RULE, "cidrIpv4", ["10.0.0.0/8"], "cidrIpv4 is .*, and no str"),
    ("aws:sqs/queue:Queue", "kmsKeyId", "alias/a", "kmsKeyId is no input"),
    ("aws:dynamodb/table:Table", "billingMode", "FREE", "billingMode is 'FREE'"),
    ("aws:dynamodb/table:Table", "attributes", [{"name": "id"}], r"attributes\[0\].type is required"),
    ("aws:kms/key:Key", "customerMasterKeySpec", "RSA_1", "customerMasterKeySpec is 'RSA_1'"),
    (EKS, "authenticationMode", "IAM", "authenticationMode is 'IAM', and none of"),
    (EKS, "autoMode", {"enabled": "yes"}, "autoMode.enabled is 'yes', and no bool"),
    (EKS, "subnets", ["a"], "subnets is no input"),
    (DEPLOYMENT, "spec", {"replicas": 3}, "'selector' is a required property"),
    (DEPLOYMENT, "spec", {**GOOD[DEPLOYMENT]["spec"], "replicas": "3"}, "'3' is not"),
    (DEPLOYMENT, "spec", {**GOOD[DEPLOYMENT]["spec"], "replica": 3}, "'replica' was unexpected"),
]


@pytest.fixture(scope="module")
def provider() -> Iterator[Any]:
    with providers.serving() as address, grpc.insecure_channel(address) as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)


def check(provider: Any, token: str, inputs: dict[str, Any]) -> list[str]:
    """Call a stand-in provider as the engine does; return its reasons for refusing a resource's inputs."""
    news = json_format.ParseDict(inputs, struct_pb2.Struct())
    request = messages.CheckRequest(urn=f"urn:pulumi:base.dev::rewards::{token}::x", news=news)
    return [failure.reason for failure in provider.Check(request).failures]


@pytest.mark.parametrize("token", GOOD)
def test_good_inputs_are_taken(provider: Any, token: str) -> None:
    assert check(provider, token, GOOD[token]) == []


@pytest.mark.parametrize(("token", "key", "value", "reason"), WRONG)
def test_wrong_inputs_are_refused(provider: Any, token: str, key: str, value: Any, reason: str) -> None:
    inputs = {name: given for name, given in GOOD[token].items() if name != key}
    reasons = check(provider, token, inputs if value is ABSENT else {**inputs, key: value})
    assert re.search(reason, "; ".join(reasons))


def test_what_is_not_known_yet_is_not_refused(provider: Any) -> None:
    assert check(provider, RULE, {**GOOD[RULE], "securityGroupId": rpc.UNKNOWN, "tags": rpc.UNKNOWN}) == []
    assert check(provider, DEPLOYMENT, {**GOOD[DEPLOYMENT], "metadata": {"name": rpc.UNKNOWN}}) == []


@pytest.mark.slow
@pytest.mark.parametrize("environment", [*ENVIRONMENTS, "preview"])
def test_the_programs_own_resources_are_taken(environment: str) -> None:
    graph = preview_on_dev() if environment == "preview" else graph_of(environment)
    refused = {
        f"{resource.urn}: {key} {why}"
        for resource in graph.resources
        if resource.token.startswith(("aws:", "kubernetes:", EKS))
        for key, why in schema.failures(resource.token, resource.inputs)
    }
    assert not refused
