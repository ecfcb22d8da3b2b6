"""A CodeBuild project with its role, log group, test report, and the role that starts it.

Controls: CodeBuild.2 (no credentials), .3 (logs), .5 (not privileged); output under a CMK.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pulumi
import pulumi_aws as aws

from cloud import iam, logs
from cloud.component import Component
from cloud.iam import Allow, Conditions
from pipelines import stages
from pipelines.artifacts import Store
from pipelines.target import Target, Text

# Amazon Linux 2023; buildspecs say which Python.
_IMAGE = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
FOLDER = "pipelines/buildspecs"


@dataclass(frozen=True, kw_only=True)
class Inside:
    """The subnets and security group of builds that reach Kubernetes' private API."""

    vpc_id: Text
    subnet_ids: Sequence[Text]
    group_id: Text


@dataclass(frozen=True, kw_only=True)
class BuildArgs:
    """`starters` are the pipelines' roles, in `pipeline_account`, that may start it."""

    job: str
    buildspec: str
    target: Target
    store: Store
    logs_key_arn: Text
    starters: Sequence[Text]
    pipeline_account: Text
    may: Sequence[Allow] = ()
    variables: Mapping[str, Text] = field(default_factory=dict)
    inside: Inside | None = None
    tested: bool = False
    size: Literal["SMALL", "MEDIUM", "LARGE"] = "SMALL"
    minutes: int = 60


class Project(Component):
    project: pulumi.Output[str]
    role_arn: pulumi.Output[str]
    starter_arn: pulumi.Output[str]

    def __init__(self, name: str, args: BuildArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        self._args, self.job, self._named = args, args.job, args.target.build(args.job)
        group = logs.log_group(name, self.child, key_arn=args.logs_key_arn, named=f"/aws/codebuild/{self._named}")
        role = iam.role(
            name,
            self.child,
            assumed_by=iam.trust("codebuild.amazonaws.com", args.target.account),
            may=[
                logs.writing(group.arn),
                *args.store.used(),
                *self._reports(name),
                *self._network_permissions(),
                *args.may,
            ],
            named=self._named,
        )
        project = self._project(name, role, group)
        self.starter_arn = self._starter(name, project)
        self.project, self.role_arn = project.name, role.arn
        self.publish()

    @property
    def build(self) -> stages.Build:
        return stages.Build(project=self.project, role=self.starter_arn)

    def _project(self, name: str, role: aws.iam.Role, group: aws.cloudwatch.LogGroup) -> aws.codebuild.Project:
        args = self._args
        variables = {"ENVIRONMENT": args.target.environment, "AWS_REGION": args.target.region, **args.variables}
        return aws.codebuild.Project(
            name,
            name=self._named,
            service_role=role.arn,
            encryption_key=args.store.key_arn,
            source={"type": "CODEPIPELINE", "buildspec": f"{FOLDER}/{args.buildspec}.yaml"},
            artifacts={"type": "CODEPIPELINE"},
            environment={
                "type": "LINUX_CONTAINER",
                "compute_type": f"BUILD_GENERAL1_{args.size}",
                "image": _IMAGE,
                "privileged_mode": False,
                "environment_variables": [{"name": key, "value": value} for key, value in variables.items()],
            },
            cache=self._cache(),
            logs_config={"cloudwatch_logs": {"status": "ENABLED", "group_name": group.name}},
            vpc_config={
                "vpc_id": args.inside.vpc_id,
                "subnets": list(args.inside.subnet_ids),
                "security_group_ids": [args.inside.group_id],
            }
            if args.inside
            else None,
            build_timeout=args.minutes,
            queued_timeout=60,
            opts=self.child,
        )

    def _cache(self) -> aws.codebuild.ProjectCacheArgsDict:
        """Caches in S3, across machines, if the bucket is ours; another account's bucket holds artifacts only."""
        bucket = self._args.store.bucket
        if bucket is None:
            return {"type": "LOCAL", "modes": ["LOCAL_CUSTOM_CACHE"]}
        return {"type": "S3", "location": pulumi.Output.concat(bucket, f"/cache/{self._named}")}

    def _reports(self, name: str) -> list[Allow]:
        """CodeBuild names a report group <project>-<name in the buildspec>."""
        if not self._args.tested:
            return []
        group = aws.codebuild.ReportGroup(
            name,
            name=f"{self._named}-tests",
            type="TEST",
            export_config={"type": "NO_EXPORT"},
            delete_reports=True,
            opts=self.child,
        )
        actions = ["codebuild:CreateReport", "codebuild:UpdateReport", "codebuild:BatchPutTestCases"]
        return [Allow(actions=actions, resources=[group.arn])]

    def _network_permissions(self) -> list[Allow]:
        """What CodeBuild demands for a network interface in the VPC."""
        if self._args.inside is None:
            return []
        target, subnets = self._args.target, self._args.inside.subnet_ids
        interfaces = target.arn("ec2", "network-interface/*")
        lent: Conditions = {
            "StringEquals": {"ec2:AuthorizedService": "codebuild.amazonaws.com"},
            "ArnEquals": {
                "ec2:Subnet": [target.arn("ec2", pulumi.Output.concat("subnet/", subnet)) for subnet in subnets]
            },
        }
        looking = [f"ec2:Describe{what}" for what in _DESCRIBED]
        touched = [target.arn("ec2", f"{what}/*") for what in ("network-interface", "subnet", "security-group")]
        return [
            Allow(actions=looking, resources=["*"]),
            Allow(actions=["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"], resources=touched),
            Allow(actions=["ec2:CreateNetworkInterfacePermission"], resources=[interfaces], conditions=lent),
        ]

    def _starter(self, name: str, project: aws.codebuild.Project) -> pulumi.Output[str]:
        args = self._args
        starts = Allow(actions=["codebuild:BatchGetBuilds", "codebuild:StartBuild"], resources=[project.arn])
        role = iam.role(
            f"{name}-start",
            self.child,
            assumed_by=iam.trust_roles(args.starters, args.pipeline_account),
            may=[starts, *args.store.used()],
            named=f"{self._named}-start",
        )
        return role.arn


_DESCRIBED = ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs")
