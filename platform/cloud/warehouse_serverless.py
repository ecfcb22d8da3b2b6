"""The data warehouse as Redshift Serverless, which AWS bills by the second, for environments with little load.

Controls: the RedshiftServerless family: .1 (enhanced VPC routing), .2 (TLS), .3 (not public), .4 (CMK), .5 (admin
name), .6 (logs), .7 (database name).
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam, security_groups
from cloud.component import Component
from cloud.warehouse import ADMIN, DATABASE, LOGS, PORT, copy_role, log_groups


@dataclass(frozen=True, kw_only=True)
class ServerlessWarehouseArgs:
    """Settings of the serverless warehouse, in subnets of three zones. Capacity (RPU) is 4, or a multiple of 8."""

    identifier: str
    account: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    subnet_ids: dict[str, pulumi.Output[str]]
    data_key_arn: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]
    staging_bucket_arn: pulumi.Input[str]
    base_rpu: int = 8
    protect: bool = True


class ServerlessWarehouse(Component):
    endpoint: pulumi.Output[str]
    arn: pulumi.Output[str]
    group_id: pulumi.Output[str]
    copy_role_arn: pulumi.Output[str]
    secret_arn: pulumi.Output[str]

    def __init__(self, name: str, args: ServerlessWarehouseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("warehouse", name, opts)
        self._args = args
        copier = copy_role(name, self.child, args.account, args.staging_bucket_arn, args.data_key_arn)
        group = security_groups.group(name, self.child, vpc_id=args.vpc_id, about="The warehouse")
        security_groups.allow_https_out(f"{name}-out", self.child, client=group.id)
        namespace = self._namespace(name, copier)
        workgroup = self._workgroup(name, namespace, group)
        self.endpoint = workgroup.endpoints[0].address
        self.arn, self.group_id = workgroup.arn, group.id
        self.copy_role_arn, self.secret_arn = copier.arn, namespace.admin_password_secret_arn
        self.publish()

    @property
    def target(self) -> dict[str, pulumi.Input[str]]:
        return {"WorkgroupName": self._args.identifier}

    def _namespace(self, name: str, copier: iam.Role) -> aws.redshiftserverless.Namespace:
        args = self._args
        groups = log_groups(name, self.child, args.logs_key_arn, f"/aws/redshift/{args.identifier}")
        return aws.redshiftserverless.Namespace(
            name,
            namespace_name=args.identifier,
            db_name=DATABASE,
            admin_username=ADMIN,
            manage_admin_password=True,
            admin_password_secret_kms_key_id=args.data_key_arn,
            kms_key_id=args.data_key_arn,
            iam_roles=[copier.arn],
            default_iam_role_arn=copier.arn,
            log_exports=list(LOGS),
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect, depends_on=groups),
        )

    def _workgroup(
        self, name: str, namespace: aws.redshiftserverless.Namespace, group: aws.ec2.SecurityGroup
    ) -> aws.redshiftserverless.Workgroup:
        args = self._args
        return aws.redshiftserverless.Workgroup(
            name,
            workgroup_name=args.identifier,
            namespace_name=namespace.namespace_name,
            base_capacity=args.base_rpu,
            max_capacity=args.base_rpu * 8,
            port=PORT,
            publicly_accessible=False,
            enhanced_vpc_routing=True,
            subnet_ids=list(args.subnet_ids.values()),
            security_group_ids=[group.id],
            config_parameters=[
                {"parameter_key": "require_ssl", "parameter_value": "true"},
                {"parameter_key": "enable_user_activity_logging", "parameter_value": "true"},
            ],
            opts=self.child,
        )
