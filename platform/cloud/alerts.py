"""The encrypted SNS topic for alarms, budgets, buckets and backups, and its email subscription (SNS.1, SNS.4)."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.component import Component
from cloud.iam import Allow


@dataclass(frozen=True, kw_only=True)
class AlertsArgs:
    """Settings of the alerts' topic. The address `email` gets alerts once someone follows AWS's confirmation link."""

    account: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    email: str


class Alerts(Component):
    topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("alerts", name, opts)
        topic = aws.sns.Topic(name, kms_master_key_id=args.key_arn, opts=self.child)
        may_publish = publishers(args.account, ["sns:Publish"], [topic.arn])
        policy = aws.sns.TopicPolicy(name, arn=topic.arn, policy=iam.document(*may_publish), opts=self.child)
        aws.sns.TopicSubscription(name, topic=topic.arn, protocol="email", endpoint=args.email, opts=self.child)
        self.topic_arn = policy.arn  # S3 accepts no topic to which it may not yet publish
        self.publish()


def publishers(
    account: pulumi.Input[str], actions: Sequence[str], resources: Sequence[pulumi.Input[str]]
) -> list[Allow]:
    """Returns policy statements that let AWS's alerting services do `actions` on behalf of the account."""
    return [
        Allow(
            principals={"Service": f"{service}.amazonaws.com"},
            actions=actions,
            resources=resources,
            conditions=iam.owned_by(account, always=service in {"cloudwatch", "budgets", "s3"}),
        )
        for service in ("cloudwatch", "budgets", "s3", "backup", "codestar-notifications")
    ]
