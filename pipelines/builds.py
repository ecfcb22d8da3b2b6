"""The component of a CodeBuild project: its role, log group, test reports, and the role that starts builds.

Controls: CodeBuild.2 (no credentials), .3 (logs), .5 (not privileged); a customer-managed key encrypts artifacts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pulumi
import pulumi_aws as aws

from cloud import iam, logs
from cloud.component import Component
from cloud.iam import Allow, Conditions
from pipelines import build_permissions, stages
from pipelines.artifacts import Store
from pipelines.target import Target, Text

# Amazon Linux 2023; buildspecs say which Python.
_IMAGE = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
FOLDER = "pipelines/buildspecs"


@dataclass(frozen=True, kw_only=True)
class Inside:
    """The VPC, subnets and security group for builds that need Kubernetes' private API."""

    vpc_id: Text
    subnet_ids: Sequence[Text]
    group_id: Text


@dataclass(frozen=True, kw_only=True)
class BuildArgs:
    """Settings of a CodeBuild project in the account of `target`.

    The `pipelines` in the account of `home` may start it, and exchange artifacts with it in `store`; without `home`, no
    pipeline may. `key_arn` encrypts its output, unless the store has a key. `may` are further permissions of its role.
    `buildspec` is a file name without .yaml, by default the project's name. If `tested`, builds report test results.
    """

    target: Target
    logs_key_arn: Text
    home: Target | None = None
    pipelines: Sequence[str] = ()
    store: Store | None = None
    key_arn: Text | None = None
    buildspec: str | None = None
    may: Sequence[Allow] = ()
    variables: Mapping[str, Text] = field(default_factory=dict)
    inside: Inside | None = None
    tested: bool = False
    size: Literal["SMALL", "MEDIUM", "LARGE"] = "SMALL"
    minutes: int = 60


class Project(Component):
    project: pulumi.Output[str]
    role_arn: pulumi.Output[str]
    starter_arn: pulumi.Output[str] | None

    def __init__(self, name: str, args: BuildArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        self._args, self.job, self._named = args, name, args.target.build(name)
        group = logs.log_group(name, self.child, key_arn=args.logs_key_arn, named=f"/aws/codebuild/{self._named}")
        role = iam.role(
            name,
            self.child,
            assumed_by=iam.trust("codebuild.amazonaws.com", args.target.account),
            may=[
                logs.writing(group.arn),
                *(args.store.used() if args.store else ()),
                *self._reports(name),
                *self._network_permissions(),
                *args.may,
            ],
            named=self._named,
        )
        project = self._project(name, role, group)
        self.starter_arn = None
        if args.home and args.store:
            self.starter_arn = starter(name, self.child, args.target, args.home, args.pipelines, args.store)
        self.project, self.role_arn = project.name, role.arn
        self.publish()

    @property
    def build(self) -> stages.Build:
        if self.starter_arn is None:
            raise ValueError(f"no pipeline may start {self.job}")
        return stages.Build(project=self.project, role=self.starter_arn)

    def _project(self, name: str, role: iam.Role, group: aws.cloudwatch.LogGroup) -> aws.codebuild.Project:
        args = self._args
        place = {"INSIDE_VPC": "true"} if args.inside else {}
        variables = {
            "ENVIRONMENT": args.target.environment,
            "AWS_REGION": args.target.region,
            **place,
            **args.variables,
        }
        return aws.codebuild.Project(
            name,
            name=self._named,
            service_role=role.arn,
            encryption_key=args.store.key_arn if args.store else args.key_arn,
            source={"type": "CODEPIPELINE", "buildspec": f"{FOLDER}/{args.buildspec or name}.yaml"},
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
        """Returns the build cache: the artifact bucket if this account owns it, else the build machine's disk."""
        bucket = self._args.store.bucket if self._args.store else None
        if bucket is None:
            return {"type": "LOCAL", "modes": ["LOCAL_CUSTOM_CACHE"]}
        return {"type": "S3", "location": pulumi.Output.concat(bucket, f"/cache/{self._named}")}

    def _reports(self, name: str) -> list[Allow]:
        """Makes a CodeBuild report group for test results, and returns permissions to write reports to it."""
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
        touched = [target.arn("ec2", f"{kind}/*") for kind in ("network-interface", "subnet", "security-group")]
        return [
            Allow(actions=build_permissions.FINDING_THE_VPC, resources=["*"]),
            Allow(actions=["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"], resources=touched),
            Allow(actions=["ec2:CreateNetworkInterfacePermission"], resources=[interfaces], conditions=lent),
        ]


def starter(
    job: str, opts: pulumi.ResourceOptions, target: Target, home: Target, pipelines: Sequence[str], store: Store
) -> pulumi.Output[str]:
    """Makes the role by which `pipelines` in the account of `home` start the target's builds; returns its ARN."""
    project = target.arn("codebuild", f"project/{target.build(job)}")
    starts = Allow(actions=["codebuild:BatchGetBuilds", "codebuild:StartBuild"], resources=[project])
    role = iam.role(
        f"{job}-start",
        opts,
        assumed_by=home.trust(pipelines),
        may=[starts, *store.used()],
        named=f"{target.build(job)}-start",
    )
    return role.arn
