"""Lets a Lambda function read a Kinesis stream in batches, with dead letters, and an alarm when it lags.

Retries are limited: by default AWS retries a failed batch until its records expire, which blocks the shard.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.alarm import Threshold, alarm
from cloud.component import Component
from cloud.dead_letters import dead_letters
from cloud.function import Function
from cloud.iam import Allow

AT_ONCE = 1
"""Batches of a shard that are handled at once: each locks the applied revisions, so that more would only wait."""
FIRST_SHARDS = 4
"""Shards that an on-demand stream begins with; it doubles them by itself."""
_ON_DEMAND_SHARDS = 32


def concurrency(shards: int) -> int:
    """Returns how many calls of a function a stream makes at once; `shards` is 0 if the stream is on demand."""
    return (shards or _ON_DEMAND_SHARDS) * AT_ONCE


@dataclass(frozen=True, kw_only=True)
class ConsumerArgs:
    """Settings of a stream's consumer. An alarm starts if the oldest unread record is older than `late_seconds`.

    Unless it is `on`, it reads nothing, and the stream keeps the records; its alarm has no data then and doesn't start.
    A failed batch is retried `most_retries` times (by default 10,000, AWS's maximum), or until it is `oldest_seconds`
    old. A batch fails only while the database is unavailable, because the function itself quarantines bad records.
    """

    stream_arn: pulumi.Input[str]
    stream_key_arn: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    on: bool = True
    batch_size: int = 500
    most_retries: int = 10_000
    oldest_seconds: int = 7 * 86_400  # AWS's longest; what was not read before the first delivery is not too old
    late_seconds: int = 300


class Consumer(Component):
    dead_letter_arn: pulumi.Output[str]

    def __init__(
        self, name: str, function: Function, args: ConsumerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stream", name, opts)
        dead = dead_letters(f"{name}-poison", self.child, key_arn=args.logs_key_arn, topic_arn=args.topic_arn)
        reading = aws.iam.RolePolicy(
            name,
            role=function.role_name,
            policy=iam.document(
                Allow(
                    actions=[
                        *("kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords"),
                        *("kinesis:GetShardIterator", "kinesis:ListShards", "kinesis:ListStreams"),
                    ],
                    resources=[args.stream_arn],
                ),
                Allow(actions=["kms:Decrypt"], resources=[args.stream_key_arn]),
                Allow(actions=["sqs:SendMessage"], resources=[dead.arn]),
            ),
            opts=self.child,
        )
        aws.lambda_.EventSourceMapping(
            name,
            event_source_arn=args.stream_arn,
            function_name=function.alias_arn,
            enabled=args.on,
            starting_position="TRIM_HORIZON",
            parallelization_factor=AT_ONCE,
            batch_size=args.batch_size,
            maximum_batching_window_in_seconds=1,
            bisect_batch_on_function_error=True,
            function_response_types=["ReportBatchItemFailures"],
            maximum_retry_attempts=args.most_retries,
            maximum_record_age_in_seconds=args.oldest_seconds,
            destination_config={"on_failure": {"destination_arn": dead.arn}},
            opts=pulumi.ResourceOptions(parent=self, depends_on=[reading]),
        )
        alarm(
            f"{name}-behind",
            self.child,
            namespace="AWS/Lambda",
            metric="IteratorAge",
            dimensions={"FunctionName": function.function_name},
            threshold=Threshold(over=args.late_seconds * 1000, seconds=60, periods=5, statistic="Maximum"),
            topic_arn=args.topic_arn,
            about="The journal's consumer is behind: hourly sales and discounts are stale",
        )
        self.dead_letter_arn = dead.arn
        self.publish()
