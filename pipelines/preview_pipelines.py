"""Pipelines for previews of pull requests. They run in dev's account, from which nothing in prod can be reached.

The first runs when a pull request is opened or updated: tests, image, and an apps stack, whose address is reported. The
second destroys the stack when the pull request is closed. The third destroys expired previews every night.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from cloud.component import Component
from cloud.iam import Allow
from pipelines import build_permissions, preview_permissions, source, stages
from pipelines.builds import BuildArgs, Project
from pipelines.home import Home
from pipelines.pipeline import Pipeline, PipelineArgs, scheduled
from pipelines.preview import FOLDER
from pipelines.receiver import Environment
from pipelines.stages import SOURCE, Stage
from pipelines.target import Text

PIPELINES = BEGUN, ENDED, NIGHTLY = "previews", "previews-end", "previews-expired"
UP, DOWN, EXPIRED = "preview-up", "preview-down", "preview-expired"
KUBERNETES_GROUP = "rewards:previews"
"""The Kubernetes group of the builds, which may do only what a preview's stack needs, in previews' namespaces alone."""

_AT = "cron(0 4 * * ? *)"  # no zone's clock change leaves it out, and AWS would skip it


@dataclass(frozen=True, kw_only=True)
class PreviewsArgs:
    """Settings of the preview pipelines in the account of `environment`, which is dev.

    Every role in a preview has the permissions boundary `boundary_arn`; `key_arn` is the KMS key of all previews' data.
    """

    home: Home
    environment: Environment
    check: Project
    boundary_arn: Text
    key_arn: Text
    ledger_id: Text
    time_zone: str


class Previews(Component):
    pipeline_name: pulumi.Output[str]

    def __init__(self, name: str, args: PreviewsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        self._args, home = args, args.home
        up, down, expired = (
            self._build(job, pipeline) for job, pipeline in ((UP, BEGUN), (DOWN, ENDED), (EXPIRED, NIGHTLY))
        )
        begun = source.pull_request(home.branch, ["OPEN", "UPDATED"], code_only=True)
        pipeline = self._pipeline(BEGUN, self._begin(up), begun)
        closed = source.pull_request(home.branch, ["CLOSED"], code_only=False)
        self._pipeline(ENDED, self._end(down), closed)
        nightly = self._pipeline(NIGHTLY, self._end(expired), None)
        scheduled(NIGHTLY, self.child, home, nightly, at=_AT, time_zone=args.time_zone)
        self.pipeline_name = pipeline.pipeline_name
        self.publish()

    def _pipeline(self, name: str, steps: Sequence[Stage], trigger: dict[str, Any] | None) -> Pipeline:
        """Makes a pipeline whose runs are parallel: pull requests do not wait for each other."""
        return Pipeline(
            name, PipelineArgs(home=self._args.home, stages=steps, trigger=trigger, parallel=True), self.child
        )

    def _end(self, build: Project) -> list[Stage]:
        destroy = build.build.action("Destroy", SOURCE)
        return [self._args.home.source_stage(), Stage(name="Destroy", actions=[destroy])]

    def _begin(self, up: Project) -> list[Stage]:
        home = self._args.home
        preview = up.build.action("Preview", SOURCE, variables={"IMAGE_DIGEST": stages.DIGEST})
        first, image = home.first_stages(self._args.check), home.image_stages(BEGUN, self.child)
        return [*first, *image, Stage(name="Preview", actions=[preview])]

    def _build(self, job: str, pipeline: str) -> Project:
        home, environment = self._args.home, self._args.environment
        build = Project(
            job,
            BuildArgs(
                target=environment.target,
                home=home.target,
                pipelines=[pipeline],
                store=home.store,
                logs_key_arn=home.logs_key_arn,
                may=self._may(job),
                variables={**environment.backend, **self._backend()},
                inside=environment.inside,
            ),
            self.child,
        )
        aws.eks.AccessEntry(
            job,
            cluster_name=environment.cluster_name,
            principal_arn=build.role_arn,
            kubernetes_groups=[KUBERNETES_GROUP],
            opts=self.child,
        )
        return build

    def _backend(self) -> dict[str, Text]:
        """Returns the variable that sets Pulumi's backend to previews' own state, apart from the environment's."""
        environment = self._args.environment
        url = f"s3://{environment.state.bucket}/{FOLDER}?region={environment.target.region}"
        return {"PULUMI_BACKEND_URL": url}

    def _may(self, job: str) -> list[Allow]:
        environment = self._args.environment
        seeds = [build_permissions.seeding(environment.target, self._args.ledger_id)] if job == UP else []
        return [
            self._args.home.cloning(),
            *build_permissions.keeping_previews_state(environment.state, environment.target.region),
            *preview_permissions.previewing(
                environment.target, environment.state, self._args.boundary_arn, self._args.key_arn
            ),
            environment.reaches(),
            build_permissions.finding_functions(),
            *seeds,
        ]
