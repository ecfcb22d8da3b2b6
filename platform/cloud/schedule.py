"""Calls a function or an AWS API at fixed times, by EventBridge Scheduler; failed calls become dead letters.

A schedule fires at least once and may fire late; its target must tolerate both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.component import Component
from cloud.dead_letters import dead_letters
from cloud.iam import Allow


@dataclass(frozen=True, kw_only=True)
class ScheduleArgs:
    """Settings of a schedule. `target_arn` is a function, or an API call (`arn:aws:scheduler:::aws-sdk:…`).

    `may` are the role's permissions to make the call. `at` is `cron(minute hour day month weekday year)` in
    `time_zone`; AWS skips a time that a clock change leaves out. `role_name` names the role in AWS, else Pulumi does.
    """

    at: pulumi.Input[str]
    time_zone: pulumi.Input[str]
    target_arn: pulumi.Input[str]
    may: Sequence[Allow]
    key_arn: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    account: pulumi.Input[str]
    payload: Mapping[str, Any]
    max_age_hours: int = 24
    boundary: pulumi.Input[str] | None = None
    role_name: str | None = None


class Schedule(Component):
    schedule_name: pulumi.Output[str]
    dead_letter_arn: pulumi.Output[str]
    dead_letter_name: pulumi.Output[str]

    def __init__(self, name: str, args: ScheduleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("schedule", name, opts)
        dead = dead_letters(f"{name}-missed", self.child, key_arn=args.key_arn, topic_arn=args.topic_arn)
        caller = iam.role(
            name,
            self.child,
            assumed_by=iam.trust("scheduler.amazonaws.com", args.account),
            may=[
                *args.may,
                Allow(actions=["sqs:SendMessage"], resources=[dead.arn]),
                Allow(actions=["kms:GenerateDataKey", "kms:Decrypt"], resources=[args.key_arn]),
            ],
            boundary=args.boundary,
            named=args.role_name,
        )
        schedule = aws.scheduler.Schedule(
            name,
            schedule_expression=args.at,
            schedule_expression_timezone=args.time_zone,
            flexible_time_window={"mode": "OFF"},
            kms_key_arn=args.key_arn,
            target={
                "arn": args.target_arn,
                "role_arn": caller.arn,
                "input": pulumi.Output.json_dumps(args.payload),
                "dead_letter_config": {"arn": dead.arn},
                "retry_policy": {
                    "maximum_event_age_in_seconds": args.max_age_hours * 3600,
                    "maximum_retry_attempts": 10,
                },
            },
            opts=self.child,
        )
        self.schedule_name = schedule.name
        self.dead_letter_arn, self.dead_letter_name = dead.arn, dead.name
        self.publish()
