"""The platform's database, of the ledger and all other data: Aurora PostgreSQL Serverless v2 in two zones or more.

Controls: RDS.2 (not public), .6 (enhanced monitoring), .7 (deletion protection), .12 (IAM authentication), .13 and .35
(minor upgrades), .15 (zones), .16 (tags on snapshots), .23 (port), .24 (admin name), .26 (backups), .27 (CMK), .37
(logs), .38 (TLS); SecretsManager.1 and .4 (AWS keeps and rotates the admin's password).
"""

from dataclasses import dataclass
from enum import StrEnum

import pulumi
import pulumi_aws as aws

from cloud import iam, logs, security_groups
from cloud.component import Component

PORT = 5433  # PostgreSQL's own is what scanners try first (RDS.23)
DATABASE = "rewards"
ADMIN = "rewards_admin"
# Aurora keeps automated backups for 35 days at the most.
_BACKUP_DAYS = {True: 35, False: 7}
_PARAMETERS = {
    "rds.force_ssl": "1",
    "log_connections": "1",
    "log_disconnections": "1",
    "log_statement": "ddl",
    "log_min_duration_statement": "1000",  # milliseconds
    # What people type is in parameters and in the rows that details quote; an erasure does not reach a log.
    "log_parameter_max_length": "0",
    "log_error_verbosity": "terse",
    "idle_in_transaction_session_timeout": "60000",  # a stuck writer would hold back the sealer's horizon
}


class Engine(StrEnum):
    """The ledger's database engine. AWS ended QLDB on 2025-07-31, so only Aurora works."""

    AURORA = "aurora"
    QLDB = "qldb"


@dataclass(frozen=True, kw_only=True)
class LedgerArgs:
    """Settings of the Aurora cluster. The writer is in the first of `zones`; a capacity unit (ACU) is about 2 GiB.

    A new cluster is made from `snapshot`, the ARN of a cluster snapshot in its region; "" makes it empty.
    """

    identifier: str  # physical: RDS puts it into its log group's name
    account: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    subnet_ids: dict[str, pulumi.Output[str]]
    zones: tuple[str, ...]
    data_key_arn: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]
    min_acu: float = 0.5
    max_acu: float = 16
    version: str = "16.11"
    snapshot: str = ""
    protect: bool = True


class Ledger(Component):
    """An Aurora cluster. `group_id` is its security group; `admin_secret_arn` is for the migration only."""

    endpoint: pulumi.Output[str]
    reader_endpoint: pulumi.Output[str]
    cluster_arn: pulumi.Output[str]
    resource_id: pulumi.Output[str]
    identifier: pulumi.Output[str]
    admin_secret_arn: pulumi.Output[str]
    group_id: pulumi.Output[str]

    def __init__(self, name: str, args: LedgerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ledger", name, opts)
        self._args = args
        group = security_groups.group(name, self.child, vpc_id=args.vpc_id, about="The ledger")
        cluster = self._cluster(name, group)
        self._instances(name, cluster)
        self.admin_secret_arn = cluster.master_user_secrets[0].secret_arn
        aws.secretsmanager.SecretRotation(
            name, secret_id=self.admin_secret_arn, rotation_rules={"automatically_after_days": 30}, opts=self.child
        )
        self.endpoint, self.reader_endpoint = cluster.endpoint, cluster.reader_endpoint
        self.cluster_arn, self.resource_id = cluster.arn, cluster.cluster_resource_id
        self.identifier, self.group_id = cluster.cluster_identifier, group.id
        self.publish()

    def _cluster(self, name: str, group: aws.ec2.SecurityGroup) -> aws.rds.Cluster:
        args = self._args
        subnets = aws.rds.SubnetGroup(name, subnet_ids=list(args.subnet_ids.values()), opts=self.child)
        log = logs.log_group(
            name, self.child, key_arn=args.logs_key_arn, named=f"/aws/rds/cluster/{args.identifier}/postgresql"
        )
        return aws.rds.Cluster(
            name,
            cluster_identifier=args.identifier,
            engine="aurora-postgresql",
            engine_mode="provisioned",  # Serverless v2 is a size of instance, not a mode
            engine_version=args.version,
            snapshot_identifier=args.snapshot or None,
            database_name=DATABASE,
            port=PORT,
            master_username=ADMIN,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=args.data_key_arn,
            iam_database_authentication_enabled=True,
            db_cluster_parameter_group_name=self._parameters(name).id,
            db_subnet_group_name=subnets.name,
            vpc_security_group_ids=[group.id],
            serverlessv2_scaling_configuration={"min_capacity": args.min_acu, "max_capacity": args.max_acu},
            storage_encrypted=True,
            kms_key_id=args.data_key_arn,
            backup_retention_period=_BACKUP_DAYS[args.protect],
            preferred_backup_window="07:00-08:00",
            preferred_maintenance_window="sun:09:00-sun:10:00",
            copy_tags_to_snapshot=True,
            deletion_protection=args.protect,  # CKV_AWS_139: an environment that may end has none
            skip_final_snapshot=not args.protect,
            final_snapshot_identifier=f"{args.identifier}-final",
            enabled_cloudwatch_logs_exports=["postgresql"],
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=args.protect,
                depends_on=[log],
                # AWS upgrades minor versions by itself, and another snapshot would replace the cluster.
                ignore_changes=["engineVersion", "snapshotIdentifier"],
            ),
        )

    def _parameters(self, name: str) -> aws.rds.ClusterParameterGroup:
        return aws.rds.ClusterParameterGroup(
            name,
            family="aurora-postgresql16",
            parameters=[
                {"name": key, "value": value, "apply_method": "immediate"} for key, value in _PARAMETERS.items()
            ],
            opts=self.child,
        )

    def _instances(self, name: str, cluster: aws.rds.Cluster) -> None:
        args = self._args
        monitor = iam.role(
            f"{name}-monitoring",
            self.child,
            assumed_by=iam.trust("monitoring.rds.amazonaws.com", args.account),
            managed=["arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"],
        )
        for order, zone in enumerate(args.zones):
            aws.rds.ClusterInstance(
                f"{name}-{zone}",
                cluster_identifier=cluster.id,
                engine=aws.rds.EngineType.AURORA_POSTGRESQL,
                instance_class="db.serverless",
                availability_zone=zone,
                promotion_tier=min(order, 1),  # tier 0 and 1 keep the writer's size and can take over at once
                publicly_accessible=False,
                auto_minor_version_upgrade=True,
                copy_tags_to_snapshot=True,
                monitoring_interval=60,  # seconds
                monitoring_role_arn=monitor.arn,
                performance_insights_enabled=True,
                performance_insights_kms_key_id=args.data_key_arn,
                opts=self.kept(args.protect),
            )
