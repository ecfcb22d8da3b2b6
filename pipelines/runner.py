"""The runner: the CodeBuild project in the VPC that deploys the layers whose Kubernetes API is private.

It is in the base layer, so that it exists before the cluster. A person's `make deploy` (pipelines.remote) starts its
builds for the first deployment, the platform's pipeline for all later ones. Builds can't change roles named
`delivery-…`, as the runner's is: a person deploys a change of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from cloud import security_groups
from cloud.component import Component
from pipelines import build_permissions, layer_permissions
from pipelines.builds import BuildArgs, Inside, Project
from pipelines.layer_permissions import State
from pipelines.target import Target, Text

JOB = "runner"


@dataclass(frozen=True, kw_only=True)
class RunnerArgs:
    """Settings of an environment's runner; `key_arn` is the KMS key that encrypts the output of its builds.

    `previews_key_arn` is the key of what layers hand to previews; None if the environment hosts none.
    """

    target: Target
    vpc_id: Text
    subnet_ids: Sequence[Text]
    endpoints_group_id: Text
    cluster_name: Text
    key_arn: Text
    logs_key_arn: Text
    state: State
    previews_key_arn: Text | None = None


class Runner(Component):
    """The runner, with its security group `group_id`, which all builds that call Kubernetes' API share."""

    group_id: pulumi.Output[str]
    role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: RunnerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        group = security_groups.group(name, self.child, vpc_id=args.vpc_id, about="Builds that call Kubernetes")
        endpoints = args.endpoints_group_id
        security_groups.allow(f"{name}-endpoints", self.child, client=group.id, server=endpoints, port=443)
        security_groups.allow_https_out(f"{name}-out", self.child, client=group.id)
        handing = [layer_permissions.handing(args.target, key) for key in (args.previews_key_arn,) if key is not None]
        build = Project(
            JOB,
            BuildArgs(
                target=args.target,
                logs_key_arn=args.logs_key_arn,
                key_arn=args.key_arn,
                buildspec="up",
                may=[
                    *build_permissions.keeping_state(args.state),
                    build_permissions.fetching_program(args.state),
                    *layer_permissions.bringing_up(args.target, args.state, *layer_permissions.IN_KUBERNETES),
                    *handing,
                    build_permissions.reaching_cluster(args.target, args.cluster_name),
                    build_permissions.reading_delivered(args.target, is_forgotten=True),
                    build_permissions.recording(args.target),
                    build_permissions.keeping_variables(args.target, args.key_arn),
                ],
                variables=args.state.variables(args.target.region),
                inside=Inside(vpc_id=args.vpc_id, subnet_ids=args.subnet_ids, group_id=group.id),
                minutes=120,  # EKS takes its time
            ),
            self.child,
        )
        self.group_id, self.role_arn = group.id, build.role_arn
        self.publish()
