"""The journal's stream: Kinesis on demand, under our key (Kinesis.1, CKV_AWS_185), kept long enough (Kinesis.3).

On demand takes 4 MB/s at first and doubles within 15 minutes; AWS's limits: 200 MB/s in, 1 MB a record.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud.component import Component


@dataclass(frozen=True, kw_only=True)
class JournalStreamArgs:
    """A consumer that stops for `retention_hours` loses records of the stream, never of the ledger."""

    key_arn: pulumi.Input[str]
    retention_hours: int = 168
    protect: bool = True


class JournalStream(Component):
    stream_name: pulumi.Output[str]
    stream_arn: pulumi.Output[str]

    def __init__(self, name: str, args: JournalStreamArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stream", name, opts)
        stream = aws.kinesis.Stream(
            name,
            stream_mode_details={"stream_mode": "ON_DEMAND"},
            encryption_type="KMS",
            kms_key_id=args.key_arn,
            retention_period=args.retention_hours,
            enforce_consumer_deletion=not args.protect,
            opts=self.kept(args.protect),
        )
        self.stream_name, self.stream_arn = stream.name, stream.arn
        self.publish()
