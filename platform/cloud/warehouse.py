"""The data warehouse as a Redshift cluster of RA3 nodes with managed storage; AWS can pause the cluster.

Controls: Redshift.1 (not public), .2 (TLS), .3 (snapshots), .4 (audit log), .6 (upgrades), .7 (enhanced VPC routing),
.8 (admin name), .9 (database name), .10 (encryption), .18 (two zones, or relocation to another).
`cloud.warehouse_serverless` is the alternative.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pulumi
import pulumi_aws as aws

from cloud import iam, logs, security_groups
from cloud.component import Component
from cloud.iam import Allow

PORT = 5439  # Multi-AZ takes 5431 to 5455 or 8191 to 8215
DATABASE = "rewards"
ADMIN = "rewards_admin"
# AWS keeps automated snapshots for 35 days at the most.
_SNAPSHOT_DAYS = {True: 35, False: 7}
LOGS = ("connectionlog", "userlog", "useractivitylog")


class Engine(StrEnum):
    CLUSTER = "cluster"
    SERVERLESS = "serverless"


@dataclass(frozen=True, kw_only=True)
class WarehouseArgs:
    """Settings of a Redshift cluster. `nodes` is the number in each zone; `recovery_region` gets copies of snapshots.

    With `multi_zone`, the cluster is in two zones; without, AWS relocates it when its zone fails. `paused` stops the
    cluster at night and on weekends (UTC), which AWS can't do with `multi_zone`.
    """

    identifier: str
    region: str
    account: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    subnet_ids: dict[str, pulumi.Output[str]]
    data_key_arn: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]
    staging_bucket_arn: pulumi.Input[str]
    recovery_region: str | None
    recovery_key_arn: pulumi.Input[str]
    node_type: str = "ra3.large"
    nodes: int = 1
    multi_zone: bool = True
    paused: bool = False
    protect: bool = True


class Warehouse(Component):
    """A provisioned Redshift cluster. Calls of Redshift's Data API name it by `target`, IAM permissions by `arn`."""

    endpoint: pulumi.Output[str]
    arn: pulumi.Output[str]
    group_id: pulumi.Output[str]
    copy_role_arn: pulumi.Output[str]
    secret_arn: pulumi.Output[str]

    def __init__(self, name: str, args: WarehouseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warehouse", name, opts)
        self._args = args
        copier = copy_role(name, self.child, args.account, args.staging_bucket_arn, args.data_key_arn)
        group = security_groups.group(name, self.child, vpc_id=args.vpc_id, about="The warehouse")
        security_groups.allow_https_out(f"{name}-out", self.child, client=group.id)  # COPY from S3 goes by the gateway
        cluster = self._cluster(name, group, copier)
        self._logging(name, cluster)
        if args.recovery_region is not None:
            self._copies(name, cluster, args.recovery_region)
        if args.paused:
            self._pauses(name, cluster)
        self.endpoint, self.arn, self.group_id = cluster.endpoint, cluster.arn, group.id
        self.copy_role_arn, self.secret_arn = copier.arn, cluster.master_password_secret_arn
        self.publish()

    @property
    def target(self) -> dict[str, pulumi.Input[str]]:
        return {"ClusterIdentifier": self._args.identifier}

    def _cluster(self, name: str, group: aws.ec2.SecurityGroup, copier: iam.Role) -> aws.redshift.Cluster:
        args = self._args
        subnets = aws.redshift.SubnetGroup(name, subnet_ids=list(args.subnet_ids.values()), opts=self.child)
        return aws.redshift.Cluster(
            name,
            cluster_identifier=args.identifier,
            node_type=args.node_type,
            cluster_type="multi-node" if args.nodes > 1 else "single-node",
            number_of_nodes=args.nodes,
            multi_az=args.multi_zone,
            availability_zone_relocation_enabled=not args.multi_zone,
            database_name=DATABASE,
            port=PORT,
            master_username=ADMIN,
            manage_master_password=True,
            master_password_secret_kms_key_id=args.data_key_arn,
            encrypted="true",
            kms_key_id=args.data_key_arn,
            publicly_accessible=False,
            enhanced_vpc_routing=True,
            vpc_security_group_ids=[group.id],
            cluster_subnet_group_name=subnets.name,
            cluster_parameter_group_name=self._parameters(name).name,
            iam_roles=[copier.arn],
            default_iam_role_arn=copier.arn,
            allow_version_upgrade=True,
            automated_snapshot_retention_period=_SNAPSHOT_DAYS[args.protect],
            preferred_maintenance_window="sun:10:00-sun:10:30",
            skip_final_snapshot=not args.protect,
            final_snapshot_identifier=f"{args.identifier}-final",
            opts=self.kept(args.protect),
        )

    def _parameters(self, name: str) -> aws.redshift.ParameterGroup:
        return aws.redshift.ParameterGroup(
            name,
            family="redshift-2.0",
            parameters=[
                {"name": "require_ssl", "value": "true"},
                {"name": "enable_user_activity_logging", "value": "true"},
            ],
            opts=self.child,
        )

    def _logging(self, name: str, cluster: aws.redshift.Cluster) -> None:
        groups = log_groups(name, self.child, self._args.logs_key_arn, f"/aws/redshift/cluster/{self._args.identifier}")
        # CKV_AWS_71 looks for it in the cluster, where AWS's provider has it no more.
        aws.redshift.Logging(
            name,
            cluster_identifier=cluster.cluster_identifier,
            log_destination_type="cloudwatch",
            log_exports=list(LOGS),
            opts=pulumi.ResourceOptions(parent=self, depends_on=groups),
        )

    def _copies(self, name: str, cluster: aws.redshift.Cluster, region: str) -> None:
        grant = aws.redshift.SnapshotCopyGrant(
            name,
            snapshot_copy_grant_name=self._args.identifier,
            kms_key_id=self._args.recovery_key_arn,
            region=region,
            opts=self.child,
        )
        aws.redshift.SnapshotCopy(
            name,
            cluster_identifier=cluster.cluster_identifier,
            destination_region=region,
            retention_period=_SNAPSHOT_DAYS[self._args.protect],
            snapshot_copy_grant_name=grant.snapshot_copy_grant_name,
            opts=self.child,
        )

    def _pauses(self, name: str, cluster: aws.redshift.Cluster) -> None:
        pauser = iam.role(
            f"{name}-pause",
            self.child,
            assumed_by=iam.trust("scheduler.redshift.amazonaws.com", self._args.account),
            may=[Allow(actions=["redshift:PauseCluster", "redshift:ResumeCluster"], resources=[cluster.arn])],
        )
        for verb, schedule in (("pause", "cron(0 0 ? * TUE-SAT *)"), ("resume", "cron(0 11 ? * MON-FRI *)")):
            action: Any = {f"{verb}_cluster": {"cluster_identifier": cluster.cluster_identifier}}
            aws.redshift.ScheduledAction(
                f"{name}-{verb}",
                name=f"{self._args.identifier}-{verb}",
                schedule=schedule,
                iam_role=pauser.arn,
                target_action=action,
                opts=self.child,
            )


def log_groups(
    name: str, opts: pulumi.ResourceOptions, key_arn: pulumi.Input[str], folder: str
) -> list[aws.cloudwatch.LogGroup]:
    """Makes Redshift's log groups `folder/…` in advance: Redshift would make them unencrypted and without retention."""
    return [logs.log_group(f"{name}-{kind}", opts, key_arn=key_arn, named=f"{folder}/{kind}") for kind in LOGS]


def copy_role(
    name: str,
    opts: pulumi.ResourceOptions,
    account: pulumi.Input[str],
    bucket_arn: pulumi.Input[str],
    key_arn: pulumi.Input[str],
) -> iam.Role:
    """Makes the role with which Redshift's COPY reads the staging bucket's files."""
    staged = pulumi.Output.concat(bucket_arn, "/warehouse/*")
    reads: Sequence[Allow] = [
        Allow(actions=["s3:ListBucket", "s3:GetBucketLocation"], resources=[bucket_arn]),
        Allow(actions=["s3:GetObject"], resources=[staged]),
        Allow(actions=["kms:Decrypt"], resources=[key_arn]),
    ]
    return iam.role(f"{name}-copy", opts, assumed_by=iam.trust("redshift.amazonaws.com", account), may=reads)
