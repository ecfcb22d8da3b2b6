"""The Kinesis stream of the ledger's journal: encrypted (Kinesis.1, CKV_AWS_185), retained (Kinesis.3).

A shard takes 1 MB/s. On demand, a stream takes 4 MB/s at first and doubles within 15 minutes, up to 200 MB/s. A record
has 1 MB at the most.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud.component import Component


@dataclass(frozen=True, kw_only=True)
class JournalStreamArgs:
    """Settings of the journal stream. A consumer that is down for more than `retention_hours` misses records.

    Without `shards` the stream is on demand.
    """

    key_arn: pulumi.Input[str]
    shards: int = 0
    retention_hours: int = 168
    protect: bool = True


class JournalStream(Component):
    stream_name: pulumi.Output[str]
    stream_arn: pulumi.Output[str]

    def __init__(self, name: str, args: JournalStreamArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stream", name, opts)
        stream = aws.kinesis.Stream(
            name,
            stream_mode_details={"stream_mode": "PROVISIONED" if args.shards else "ON_DEMAND"},
            shard_count=args.shards or None,
            encryption_type="KMS",
            kms_key_id=args.key_arn,
            retention_period=args.retention_hours,
            enforce_consumer_deletion=not args.protect,
            opts=self.kept(args.protect),
        )
        self.stream_name, self.stream_arn = stream.name, stream.arn
        self.publish()
