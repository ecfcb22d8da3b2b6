"""A function that reads a Kinesis stream: batches, limited retries, failed records set aside, an alarm when it lags.

By default AWS retries a failed batch until its records expire, which blocks the shard for that time.
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


@dataclass(frozen=True, kw_only=True)
class ConsumerArgs:
    """`late_seconds` is the age of the oldest unread record at which the alarm rings.

    A batch's age ends its retries: the function itself sets bad records aside, so a batch fails only while the database
    is away, and a failover must not cost good records. `most_retries` is AWS's largest number.
    """

    stream_arn: pulumi.Input[str]
    stream_key_arn: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    batch_size: int = 500
    most_retries: int = 10_000
    oldest_seconds: int = 6 * 3600
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
                        "kinesis:DescribeStream",
                        "kinesis:DescribeStreamSummary",
                        "kinesis:GetRecords",
                        "kinesis:GetShardIterator",
                        "kinesis:ListShards",
                        "kinesis:ListStreams",
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
            starting_position="TRIM_HORIZON",
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
