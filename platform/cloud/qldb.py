"""The ledger's first design: Amazon QLDB, its stream to Kinesis and the role that exports it.

AWS ended QLDB on 2025-07-31 and refuses these calls; Pulumi still declares them. This is kept for accounts that hold
old state, and in case the API returns. The journal's record shapes are the same either way.
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
    """`since` is the time, in ISO 8601, from which blocks are streamed."""

    account: pulumi.Input[str]
    stream_arn: pulumi.Input[str]
    archive_bucket_arn: pulumi.Input[str]
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
        aws.qldb.Stream(
            name,
            stream_name="journal",
            ledger_name=ledger.name,
            role_arn=self._streamer(name, args).arn,
            inclusive_start_time=args.since,
            kinesis_configuration={"stream_arn": args.stream_arn, "aggregation_enabled": False},
            opts=self.child,
        )
        self.ledger_name, self.ledger_arn = ledger.name, ledger.arn
        self.export_role_arn = self._exporter(name, args).arn
        self.publish()

    def _streamer(self, name: str, args: QldbArgs) -> aws.iam.Role:
        return iam.role(
            f"{name}-stream",
            self.child,
            assumed_by=iam.trust("qldb.amazonaws.com", args.account),
            may=[
                Allow(actions=["kinesis:PutRecord*", "kinesis:DescribeStream"], resources=[args.stream_arn]),
                Allow(actions=["kms:GenerateDataKey"], resources=[args.key_arn]),
            ],
        )

    def _exporter(self, name: str, args: QldbArgs) -> aws.iam.Role:
        return iam.role(
            f"{name}-export",
            self.child,
            assumed_by=iam.trust("qldb.amazonaws.com", args.account),
            may=[
                Allow(
                    actions=["s3:PutObject"], resources=[pulumi.Output.concat(args.archive_bucket_arn, "/exports/*")]
                ),
                Allow(actions=["kms:GenerateDataKey"], resources=[args.key_arn]),
            ],
        )
