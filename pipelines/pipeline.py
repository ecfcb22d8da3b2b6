"""A CodePipeline of type V2 with its role, its log group, and its notifications.

The pipeline's role reads the source, stores artifacts and requests approvals. All other actions name a role in the
account that they deliver to, which the pipeline assumes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pulumi
import pulumi_aws as aws

from cloud import iam, logs
from cloud.component import Component
from cloud.iam import Allow
from cloud.schedule import Schedule, ScheduleArgs
from pipelines.artifacts import Store
from pipelines.home import Home
from pipelines.stages import Stage, checked
from pipelines.target import Target, Text

# A person is notified when a run failed, was superseded, or waits for approval.
_NOTIFIED = (
    "codepipeline-pipeline-pipeline-execution-failed",
    "codepipeline-pipeline-pipeline-execution-superseded",
    "codepipeline-pipeline-manual-approval-needed",
)


@dataclass(frozen=True, kw_only=True)
class PipelineArgs:
    """Settings of a pipeline. Without `trigger` a person or schedule starts it. If `parallel`, runs don't queue."""

    home: Home
    stages: Sequence[Stage]
    trigger: Mapping[str, Any] | None
    parallel: bool = False


class Pipeline(Component):
    pipeline_name: pulumi.Output[str]

    def __init__(self, name: str, args: PipelineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        stages, home = checked(args.stages), args.home
        named = home.target.build(name)
        # CodePipeline's own compute writes here; it would create the group unencrypted.
        logs.log_group(f"{name}-pipeline", self.child, key_arn=home.logs_key_arn, named=home.target.pipeline_logs(name))
        role = iam.granted(
            f"{name}-pipeline",
            home.target.pipelines[name],
            self.child,
            may=[*home.store.used(), home.cloning(), *_approval_permissions(home, stages), *_assumed_roles(stages)],
        )
        mode: Literal["PARALLEL", "SUPERSEDED"] = "PARALLEL" if args.parallel else "SUPERSEDED"
        trigger: Any = args.trigger
        declared: Any = [stage.declared() for stage in stages]
        pipeline = aws.codepipeline.Pipeline(
            name,
            name=named,
            role_arn=role.arn,
            pipeline_type="V2",
            execution_mode=mode,
            artifact_stores=[
                {
                    "location": _bucket(home.store),
                    "type": "S3",
                    "encryption_key": {"id": home.store.key_arn, "type": "KMS"},
                }
            ],
            stages=declared,
            triggers=[trigger] if trigger else [],
            opts=self.child,
        )
        aws.codestarnotifications.NotificationRule(
            name,
            name=named,
            resource=pipeline.arn,
            detail_type="BASIC",
            event_type_ids=list(_NOTIFIED),
            targets=[{"address": home.topic_arn, "type": "SNS"}],
            opts=self.child,
        )
        self.pipeline_name = pipeline.name
        self.publish()


def scheduled(
    name: str, opts: pulumi.ResourceOptions, home: Home, started: Pipeline, *, at: str, time_zone: str
) -> None:
    """Makes a schedule that starts a pipeline at `at`, `cron(…)` in `time_zone`; its role may do nothing else."""
    named = home.target.arn("codepipeline", started.pipeline_name)
    Schedule(
        name,
        ScheduleArgs(
            at=at,
            time_zone=time_zone,
            target_arn="arn:aws:scheduler:::aws-sdk:codepipeline:startPipelineExecution",
            payload={"Name": started.pipeline_name},
            may=[Allow(actions=["codepipeline:StartPipelineExecution"], resources=[named])],
            key_arn=home.logs_key_arn,
            topic_arn=home.topic_arn,
            account=home.target.account,
            role_name=home.target.build(f"{name}-schedule"),  # which no layer's role may touch
        ),
        opts,
    )


def with_roles(target: Target, names: Sequence[str], opts: pulumi.ResourceOptions) -> Target:
    """Returns the target with its pipelines' roles, which have no permissions yet.

    The roles must exist first, because the trust policies of other roles name them as principals.
    """
    trust = iam.trust("codepipeline.amazonaws.com", target.account)
    roles = {
        name: aws.iam.Role(f"{name}-pipeline", name=target.build(name), assume_role_policy=trust, opts=opts)
        for name in names
    }
    return replace(target, pipelines=roles)


def _bucket(store: Store) -> Text:
    if store.bucket is None:
        raise ValueError("a pipeline keeps its artifacts in a bucket of its own account")
    return store.bucket


def _approval_permissions(home: Home, stages: Sequence[Stage]) -> list[Allow]:
    if not any(action.category == "Approval" for stage in stages for action in stage.actions):
        return []
    return [
        Allow(actions=["sns:Publish"], resources=[home.topic_arn]),
        Allow(actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[home.logs_key_arn]),
    ]


def _assumed_roles(stages: Sequence[Stage]) -> list[Allow]:
    roles = [action.role for stage in stages for action in stage.actions if action.role is not None]
    return [Allow(actions=["sts:AssumeRole"], resources=roles)]
