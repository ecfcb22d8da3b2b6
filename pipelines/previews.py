"""A preview of each pull request, on dev's layers and in dev's account, where nothing of prod can be reached.

Opened or updated: tests, image, one more apps stack, whose address is reported. Closed: destroyed, by a second pipeline
because a trigger belongs to one pipeline. A schedule destroys those that nobody closed when their day has passed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from cloud.component import Component
from cloud.iam import Allow
from cloud.schedule import Schedule, ScheduleArgs
from pipelines import layers, roles, source, stages
from pipelines.builds import BuildArgs, Project
from pipelines.home import Home
from pipelines.pipeline import Pipeline, PipelineArgs
from pipelines.receiver import Environment, admitted
from pipelines.stages import SOURCE, Stage
from pipelines.target import Text

UP, DOWN, EXPIRED = "preview-up", "preview-down", "preview-expired"
_AT = "cron(0 3 * * ? *)"


@dataclass(frozen=True, kw_only=True)
class PreviewsArgs:
    """`environment` is dev's; `boundary_arn` limits every role of a preview."""

    home: Home
    environment: Environment
    check: Project
    boundary_arn: Text
    time_zone: str


class Previews(Component):
    pipeline_name: pulumi.Output[str]

    def __init__(self, name: str, args: PreviewsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        self._name, self._args, home = name, args, args.home
        up, down, expired = (
            self._build(job, [pipeline])
            for job, pipeline in ((UP, name), (DOWN, f"{name}-end"), (EXPIRED, f"{name}-expired"))
        )
        begun = source.pull_request(home.branch, ["OPEN", "UPDATED"], code_only=True)
        pipeline = self._pipeline(name, self._begin(up), begun)
        closed = source.pull_request(home.branch, ["CLOSED"], code_only=False)
        self._pipeline(f"{name}-end", self._end(down), closed)
        self._nightly(self._pipeline(f"{name}-expired", self._end(expired), None))
        self.pipeline_name = pipeline.pipeline_name
        self.publish()

    def _pipeline(self, name: str, steps: Sequence[Stage], trigger: dict[str, Any] | None) -> Pipeline:
        """Make a preview pipeline; runs of different pull requests do not wait for each other."""
        return Pipeline(
            name, PipelineArgs(home=self._args.home, stages=steps, trigger=trigger, parallel=True), self.child
        )

    def _end(self, build: Project) -> list[Stage]:
        destroy = build.build.action("Destroy", SOURCE)
        return [self._args.home.source_stage(), Stage(name="Destroy", actions=[destroy])]

    def _begin(self, up: Project) -> list[Stage]:
        home = self._args.home
        preview = up.build.action("Preview", SOURCE, variables={"IMAGE_DIGEST": stages.DIGEST})
        first, image = home.first_stages(self._args.check), home.image_stages(self._name, self.child)
        return [*first, *image, Stage(name="Preview", actions=[preview])]

    def _build(self, job: str, pipelines: Sequence[str]) -> Project:
        home, environment = self._args.home, self._args.environment
        build = Project(
            job,
            BuildArgs(
                job=job,
                buildspec=job,
                target=environment.target,
                store=home.store,
                logs_key_arn=home.logs_key_arn,
                starters=[home.role(pipeline) for pipeline in pipelines],
                pipeline_account=home.target.account,
                may=self._may(),
                variables={**environment.backend, "REGISTRY": home.registry_url},
                inside=environment.inside,
            ),
            self.child,
        )
        admitted(build, environment, "ClusterAdminPolicy")
        return build

    def _may(self) -> list[Allow]:
        environment = self._args.environment
        return [
            self._args.home.cloning(),
            *roles.keeping_state(environment.state_bucket, environment.state_key_arn),
            *layers.previewing(environment.target, self._args.boundary_arn),
            environment.reaches(),
            roles.finding_functions(),
        ]

    def _nightly(self, expired: Pipeline) -> None:
        """Starts the pipeline that destroys expired previews, every night, with the last merged program."""
        home = self._args.home
        named = home.target.arn("codepipeline", expired.pipeline_name)
        Schedule(
            f"{self._name}-expired",
            ScheduleArgs(
                at=_AT,
                time_zone=self._args.time_zone,
                target_arn="arn:aws:scheduler:::aws-sdk:codepipeline:startPipelineExecution",
                payload={"Name": expired.pipeline_name},
                may=[Allow(actions=["codepipeline:StartPipelineExecution"], resources=[named])],
                key_arn=home.logs_key_arn,
                topic_arn=home.topic_arn,
                account=home.target.account,
            ),
            self.child,
        )
