"""Dead letter queues (SQS) for events that could not be handled: encrypted (SQS.1), TLS only, with an alarm."""

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.alarm import Threshold, alarm

_KEPT_SECONDS = 14 * 86_400  # SQS's longest


def dead_letters(
    name: str, opts: pulumi.ResourceOptions, *, key_arn: pulumi.Input[str], topic_arn: pulumi.Input[str]
) -> aws.sqs.Queue:
    """Makes a dead letter queue, and an alarm that starts as soon as the queue holds a message."""
    queue = aws.sqs.Queue(
        name,
        kms_master_key_id=key_arn,
        message_retention_seconds=_KEPT_SECONDS,
        receive_wait_time_seconds=20,
        opts=opts,
    )
    aws.sqs.QueuePolicy(name, queue_url=queue.id, policy=iam.document(iam.tls_only("sqs", queue.arn)), opts=opts)
    alarm(
        name,
        opts,
        namespace="AWS/SQS",
        metric="ApproximateNumberOfMessagesVisible",
        dimensions={"QueueName": queue.name},
        threshold=Threshold(over=0, seconds=60, statistic="Maximum"),
        topic_arn=topic_arn,
        about=f"Something could not be handled and lies in {name}",
    )
    return queue
