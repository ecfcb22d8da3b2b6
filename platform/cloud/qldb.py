"""The ledger's first design, no longer usable: Amazon QLDB, its stream to Kinesis and the role that exports from it.

AWS ended QLDB on 2025-07-31 and makes no such resources; Pulumi still declares them. The code remains for accounts with
old state, and in case the API returns. The journal's records have the same fields with QLDB and with Aurora.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.component import Component
from cloud.iam import Allow

ENDED = "QLDB ended on 2025-07-31: AWS refuses to make a ledger; rewards:ledgerEngine=aurora works"


@dataclass(frozen=True, kw_only=True)
class QldbArgs:
    """Settings of a QLDB ledger; `since` is the time, in ISO 8601, from which its blocks are streamed."""

    account: pulumi.Input[str]
    stream_arn: pulumi.Input[str]
    exports_bucket_arn: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    since: str = "2025-01-01T00:00:00Z"
    protect: bool = True


class Qldb(Component):
    ledger_name: pulumi.Output[str]
    ledger_arn: pulumi.Output[str]
    export_role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: QldbArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ledger", name, opts)
        pulumi.log.warn(ENDED, self)
        ledger = aws.qldb.Ledger(
            name,
            permissions_mode="STANDARD",
            deletion_protection=args.protect,
            kms_key=args.key_arn,
            opts=self.kept(args.protect),
        )
        writes = Allow(actions=["kinesis:PutRecord*", "kinesis:DescribeStream"], resources=[args.stream_arn])
        streamer = self._role(f"{name}-stream", args, writes)
        aws.qldb.Stream(
            name,
            stream_name="journal",
            ledger_name=ledger.name,
            role_arn=streamer.arn,
            inclusive_start_time=args.since,
            kinesis_configuration={"stream_arn": args.stream_arn, "aggregation_enabled": False},
            opts=self.child,
        )
        self.ledger_name, self.ledger_arn = ledger.name, ledger.arn
        exports = pulumi.Output.concat(args.exports_bucket_arn, "/exports/*")
        exporter = self._role(f"{name}-export", args, Allow(actions=["s3:PutObject"], resources=[exports]))
        self.export_role_arn = exporter.arn
        self.publish()

    def _role(self, name: str, args: QldbArgs, writes: Allow) -> iam.Role:
        """Makes a role for QLDB that may write as `writes` allows, and encrypt under the ledger's key."""
        encrypts = Allow(actions=["kms:GenerateDataKey"], resources=[args.key_arn])
        trust = iam.trust("qldb.amazonaws.com", args.account)
        return iam.role(name, self.child, assumed_by=trust, may=[writes, encrypts])
