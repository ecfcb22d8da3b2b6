"""Where alarms and budgets send their messages: one encrypted topic and a mailbox (SNS.1, SNS.4)."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.component import Component
from cloud.iam import Allow


@dataclass(frozen=True, kw_only=True)
class AlertsArgs:
    """AWS sends the mailbox a confirmation link: no alert arrives until someone follows it."""

    account: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    email: str


class Alerts(Component):
    topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AlertsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("alerts", name, opts)
        topic = aws.sns.Topic(name, kms_master_key_id=args.key_arn, opts=self.child)
        may_publish = [
            Allow(
                principals={"Service": f"{service}.amazonaws.com"},
                actions=["sns:Publish"],
                resources=[topic.arn],
                conditions=iam.owned_by(args.account, always=service in {"cloudwatch", "budgets"}),
            )
            for service in ("cloudwatch", "budgets", "backup", "codestar-notifications")
        ]
        aws.sns.TopicPolicy(name, arn=topic.arn, policy=iam.document(*may_publish), opts=self.child)
        aws.sns.TopicSubscription(name, topic=topic.arn, protocol="email", endpoint=args.email, opts=self.child)
        self.topic_arn = topic.arn
        self.publish()
