"""The permissions boundary of previews' roles: it limits them to previews' own resources, keys and bucket.

Pulumi names a preview's resources after the preview (`rewards-pr-123-…`); the boundary allows names of this pattern.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.component import Component
from cloud.iam import Allow, Conditions

OWN = "rewards-pr-*"
# By service: the actions, and the resources that are previews' own.
_OWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "kinesis": (
        f"stream/{OWN}",
        (
            *("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator"),
            *("ListShards", "ListStreams", "PutRecords"),
        ),
    ),
    "lambda": (f"function:{OWN}", ("InvokeFunction",)),
    "logs": (f"log-group:{OWN}", ("CreateLogStream", "DescribeLogStreams", "PutLogEvents")),
    "rds-db": ("dbuser:*/pr_*", ("connect",)),
    "secretsmanager": (f"secret:{OWN}", ("GetSecretValue", "PutSecretValue")),
    "sqs": (OWN, ("SendMessage",)),
}
_KEYS = ("kms:Decrypt", "kms:GenerateDataKey", "kms:GetPublicKey", "kms:Sign")
_OBJECTS = ("s3:GetObject", "s3:ListBucket")
_WRITE = ("s3:PutObject", "s3:PutObjectRetention")
# A preview's digests are locked for a day. Nobody could delete an object that its writer locked for years.
_RETAINED: Conditions = {"NumericLessThanEqualsIfExists": {"s3:object-lock-remaining-retention-days": "1"}}
# AWS scopes these to no resource; none of them reads data.
_ANYWHERE = (
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"),
)


@dataclass(frozen=True, kw_only=True)
class BoundaryArgs:
    """Settings of the boundary: previews' KMS keys, and the prefix of their archive bucket's name."""

    account: pulumi.Input[str]
    bucket_prefix: str
    key_arns: Sequence[pulumi.Input[str]]


class Boundary(Component):
    policy_arn: pulumi.Output[str]

    def __init__(self, name: str, args: BoundaryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("iam", name, opts)
        own = [
            Allow(
                actions=[f"{service}:{action}" for action in actions],
                resources=[pulumi.Output.concat(f"arn:aws:{service}:*:", args.account, f":{pattern}")],
            )
            for service, (pattern, actions) in _OWN.items()
        ]
        here = {"StringEquals": {"aws:ResourceAccount": args.account}}
        objects = [f"arn:aws:s3:::{args.bucket_prefix}*"]
        policy = iam.document(
            *own,
            Allow(actions=_KEYS, resources=args.key_arns),
            Allow(actions=_OBJECTS, resources=objects, conditions=here),
            Allow(actions=_WRITE, resources=objects, conditions={**here, **_RETAINED}),
            Allow(actions=_ANYWHERE, resources=["*"]),
        )
        self.policy_arn = aws.iam.Policy(name, policy=policy, opts=self.child).arn
        self.publish()
