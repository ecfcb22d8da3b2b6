"""What each build and action may do, beyond its logs and its artifacts: one role each.

`UNSCOPED` lists every action that is allowed on `*`, with the reason; tests/pipelines allow no other.
"""

from collections.abc import Sequence

import pulumi

from cloud.iam import Allow
from pipelines import layers
from pipelines.target import Target, Text

UNSCOPED: dict[str, str] = {
    **layers.ANYWHERE,
    **{
        f"ec2:Describe{what}": "CodeBuild looks for its place in the VPC; AWS names no resource for it"
        for what in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs")
    },
    "ecr:GetAuthorizationToken": "a token for the account's whole registry; what it opens, other actions say",
    "lambda:ListFunctions": "a list of all; AWS names no resource for it",
    "inspector-scan:ScanSbom": "Inspector is handed a list of packages, which is no resource",
}


def reading_state(bucket: str, key_arn: Text) -> list[Allow]:
    """Reads Pulumi's state of the environment and decrypts its secrets."""
    return [
        Allow(actions=["s3:GetObject"], resources=[f"arn:aws:s3:::{bucket}/*"]),
        Allow(actions=["s3:ListBucket"], resources=[f"arn:aws:s3:::{bucket}"]),
        Allow(actions=["kms:Decrypt"], resources=[key_arn]),
    ]


def keeping_state(bucket: str, key_arn: Text) -> list[Allow]:
    """Writes state; `s3:DeleteObject` releases its lock."""
    return [
        *reading_state(bucket, key_arn),
        Allow(actions=["s3:DeleteObject", "s3:PutObject"], resources=[f"arn:aws:s3:::{bucket}/*"]),
        Allow(actions=["kms:Encrypt", "kms:GenerateDataKey"], resources=[key_arn]),
    ]


def locking_state(bucket: str, key_arn: Text) -> list[Allow]:
    """Previewing changes writes only the lock that keeps others out meanwhile."""
    locks = f"arn:aws:s3:::{bucket}/.pulumi/locks/*"
    return [
        *reading_state(bucket, key_arn),
        Allow(actions=["s3:DeleteObject", "s3:PutObject"], resources=[locks]),
        Allow(actions=["kms:GenerateDataKey"], resources=[key_arn]),
    ]


def reaching_cluster(target: Target, cluster: Text) -> Allow:
    """Lets a build get a Kubernetes token; its access entry says what the token allows."""
    named = target.arn("eks", pulumi.Output.concat("cluster/", cluster))
    return Allow(actions=["eks:DescribeCluster"], resources=[named])


def publishing(target: Target, code_key_arn: Text) -> list[Allow]:
    """Publishes a new version of each function, without moving the alias."""
    actions = ["lambda:GetFunctionConfiguration", "lambda:PublishVersion", "lambda:UpdateFunctionCode"]
    named = target.arn("lambda", f"function:{target.function('*')}")
    return [
        finding_functions(),
        Allow(actions=actions, resources=[named]),
        Allow(actions=["kms:Decrypt"], resources=[code_key_arn]),
    ]


def finding_functions() -> Allow:
    return Allow(actions=["lambda:ListFunctions"], resources=["*"])


def moving_alias(target: Target, functions: Sequence[str]) -> list[Allow]:
    """Moves each function's alias step by step while its alarm is silent: the canary."""
    named = [target.arn("lambda", f"function:{target.function(name)}") for name in functions]
    versions = [pulumi.Output.concat(function, ":*") for function in named]
    alarms = [target.arn("cloudwatch", f"alarm:{target.alarm(name)}") for name in functions]
    actions = [
        *("lambda:GetAlias", "lambda:GetFunction", "lambda:GetFunctionConfiguration"),
        *("lambda:GetProvisionedConcurrencyConfig", "lambda:ListVersionsByFunction", "lambda:UpdateAlias"),
    ]
    return [
        Allow(actions=actions, resources=[*named, *versions]),
        Allow(actions=["cloudwatch:DescribeAlarms"], resources=alarms),
    ]


def pushing_image(repository_arn: Text) -> list[Allow]:
    actions = [
        *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages"),
        *("ecr:DescribeRepositories", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage"),
        "ecr:UploadLayerPart",
    ]
    return [_logging_in(), Allow(actions=actions, resources=[repository_arn])]


def scanning_image(repository_arn: Text) -> list[Allow]:
    actions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    return [
        _logging_in(),
        Allow(actions=actions, resources=[repository_arn]),
        Allow(actions=["inspector-scan:ScanSbom"], resources=["*"]),
    ]


def _logging_in() -> Allow:
    return Allow(actions=["ecr:GetAuthorizationToken"], resources=["*"])
