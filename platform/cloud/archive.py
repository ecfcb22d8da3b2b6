"""The archive that outlives the database: signed digests, and exports of the journal, locked for a time."""

from dataclasses import dataclass

import pulumi

from cloud.bucket import Bucket, BucketArgs
from cloud.component import Component


@dataclass(frozen=True, kw_only=True)
class ArchiveArgs:
    """`locked_days` sets Object Lock in compliance mode: nobody can shorten it, not even after a mistake."""

    prefix: str
    key_arn: pulumi.Input[str]
    log_bucket: pulumi.Input[str]
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
                colder_after_days=90,
            ),
            self.child,
        )
        self.bucket, self.bucket_arn = bucket.id, bucket.arn
        self.publish()
