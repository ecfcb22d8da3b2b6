"""The permissions boundary of a preview's roles, whatever their policies allow: no IAM, no keys, no other account."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.component import Component
from cloud.iam import Allow

_BY_SERVICE = {
    "kinesis": (
        "DescribeStream",
        "DescribeStreamSummary",
        "GetRecords",
        "GetShardIterator",
        "ListShards",
        "ListStreams",
        "PutRecords",
    ),
    "kms": ("Decrypt", "GenerateDataKey", "GetPublicKey", "Sign"),
    "lambda": ("InvokeFunction",),
    "logs": ("CreateLogStream", "DescribeLogStreams", "PutLogEvents"),
    "rds-db": ("connect",),
    "secretsmanager": ("GetSecretValue",),
    "sqs": ("SendMessage",),
}
# Neither kind names its owner in an ARN.
_ANYWHERE = (
    "s3:GetObject",
    "s3:PutObject",
    "s3:PutObjectRetention",
    "s3:ListBucket",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
)
_INTERFACES = ("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface")


@dataclass(frozen=True, kw_only=True)
class BoundaryArgs:
    account: pulumi.Input[str]


class Boundary(Component):
    policy_arn: pulumi.Output[str]

    def __init__(self, name: str, args: BoundaryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("iam", name, opts)
        here = {"StringEquals": {"aws:ResourceAccount": args.account}}
        own = [
            Allow(
                actions=[f"{service}:{action}" for action in actions],
                resources=[pulumi.Output.concat(f"arn:aws:{service}:*:", args.account, ":*")],
            )
            for service, actions in _BY_SERVICE.items()
        ]
        shared = Allow(actions=[*_ANYWHERE, *_INTERFACES], resources=["*"], conditions=here)
        policy = aws.iam.Policy(name, policy=iam.document(*own, shared), opts=self.child)
        self.policy_arn = policy.arn
        self.publish()
