"""The S3 bucket that archives signed digests under Object Lock, so that they outlive the database."""

from dataclasses import dataclass

import pulumi

from cloud.bucket import Bucket, BucketArgs
from cloud.component import Component


@dataclass(frozen=True, kw_only=True)
class ArchiveArgs:
    """Settings of the archive. For `locked_days` nobody can delete an object or shorten its lock (compliance mode).

    The SNS topic `topic_arn` gets a message for each object that somebody deletes or hides by a delete marker.
    """

    prefix: str
    key_arn: pulumi.Input[str]
    log_bucket: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    locked_days: int
    protect: bool = True


class Archive(Component):
    bucket: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]

    def __init__(self, name: str, args: ArchiveArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("archive", name, opts)
        bucket = Bucket(
            name,
            BucketArgs(
                prefix=args.prefix,
                key_arn=args.key_arn,
                log_bucket=args.log_bucket,
                protect=args.protect,
                locked_days=args.locked_days,
                topic_arn=args.topic_arn,
                colder_after_days=90,
            ),
            self.child,
        )
        self.bucket, self.bucket_arn = bucket.id, bucket.arn
        self.publish()
