"""The parts of an environment, which are the boxes of its diagrams, and the text in each box."""

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stacks.offline.drawing import Kind
from stacks.offline.recording import Resource

_LETTERS = 30  # that a line of a box holds


@dataclass(frozen=True)
class Part:
    key: str
    title: str
    lines: tuple[str, ...] = ()
    kind: Kind = "plain"


def _part(kind: Kind, title: str, *lines: Callable[[Mapping[str, Any]], str]) -> Callable[[Resource], Part]:
    """Returns a function that makes the Part (box) of a resource; `{}` in `title` stands for the resource's name."""

    def part(resource: Resource) -> Part:
        key = f"{resource.token.rpartition(':')[2]}/{resource.name}"
        texts = tuple(row for line in lines for row in textwrap.wrap(line(resource.inputs), _LETTERS))
        return Part(key, title.format(resource.name), texts, kind)

    return part


def _routers(pod: Mapping[str, Any]) -> str:
    variables = pod["spec"]["template"]["spec"]["containers"][0]["env"]
    routers = next((each["value"] for each in variables if each["name"] == "REWARDS_SERVICES"), "")
    return f"routers {routers.replace(',', ', ')}" if routers else ""


def _capacity(cluster: Mapping[str, Any]) -> str:
    limits = cluster["serverlessv2ScalingConfiguration"]
    return f"{limits['minCapacity']} to {limits['maxCapacity']} ACU, port {cluster['port']}"


PARTS: dict[str, Callable[[Resource], Part]] = {
    "kubernetes:apps/v1:Deployment": _part("compute", "Pods: {}", _routers),
    "kubernetes:batch/v1:Job": _part("compute", "Job: {}"),
    "aws:lambda/function:Function": _part(
        "compute", "λ {}", lambda inputs: f"{inputs['memorySize']} MB, {inputs['timeout']} s"
    ),
    "aws:scheduler/schedule:Schedule": _part(
        "compute",
        "Schedule: {}",
        lambda inputs: str(inputs["scheduleExpression"]),
        lambda inputs: str(inputs["scheduleExpressionTimezone"]),
    ),
    "aws:codebuild/project:Project": _part("compute", "Build: {}"),
    "eks:index:Cluster": _part("compute", "EKS"),
    "aws:lb/loadBalancer:LoadBalancer": _part("network", "Load balancer, WAF"),
    "aws:cognito/userPool:UserPool": _part("security", "Cognito: {}"),
    "aws:rds/cluster:Cluster": _part("data", "Aurora: {}", _capacity),
    "aws:redshift/cluster:Cluster": _part(
        "data", "Redshift: {}", lambda inputs: f"{inputs['numberOfNodes']} × {inputs['nodeType']}"
    ),
    "aws:redshiftserverless/workgroup:Workgroup": _part(
        "data", "Redshift Serverless", lambda inputs: f"{inputs['baseCapacity']} RPU and more"
    ),
    "aws:kinesis/stream:Stream": _part("storage", "Kinesis: {}"),
    "aws:s3/bucket:Bucket": _part("storage", "S3: {}"),
    "aws:ecr/repository:Repository": _part("storage", "ECR: {}"),
    "aws:secretsmanager/secret:Secret": _part("security", "Secret: {}"),
    "aws:kms/key:Key": _part("security", "KMS: {}", lambda inputs: str(inputs["description"])),
}
"""What makes a part of a resource, by its type's token; resources of other types are in no diagram."""
