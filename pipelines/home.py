"""`Home`: the account that holds the pipelines, what they share there, and the builds before any deployment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi

from cloud import iam
from cloud.iam import Allow
from pipelines import roles, stages
from pipelines.artifacts import Store
from pipelines.builds import BuildArgs, Project
from pipelines.stages import CHECKED, CONTEXT, SOURCE, Stage
from pipelines.target import Target, Text


@dataclass(frozen=True, kw_only=True)
class Home:
    """`repository` is `owner/name`; the image's is `registry_name`."""

    target: Target
    store: Store
    connection_arn: Text
    topic_arn: Text
    logs_key_arn: Text
    repository: str
    branch: str
    registry_name: Text
    registry_arn: Text
    registry_url: Text

    def role(self, pipeline: str) -> pulumi.Output[str]:
        return self.target.role(pipeline)

    def cloning(self) -> Allow:
        """Lets a build clone the source with its history."""
        return Allow(actions=["codeconnections:UseConnection"], resources=[self.connection_arn])

    def build(
        self,
        job: str,
        pipelines: Sequence[str],
        opts: pulumi.ResourceOptions,
        size: Literal["SMALL", "MEDIUM", "LARGE"] = "LARGE",
        buildspec: str | None = None,
    ) -> Project:
        """A build that clones the repository and tests it."""
        return Project(
            job,
            BuildArgs(
                job=job,
                buildspec=buildspec or job,
                target=self.target,
                store=self.store,
                logs_key_arn=self.logs_key_arn,
                starters=[self.role(pipeline) for pipeline in pipelines],
                pipeline_account=self.target.account,
                may=[self.cloning()],
                tested=job.startswith("check"),
                size=size,
            ),
            opts,
        )

    def first_stages(self, check: Project) -> list[Stage]:
        """Fetches the source and tests it; later stages use what `check` leaves."""
        tested = check.build.action("Check", SOURCE, outputs=CHECKED)
        return [self.source_stage(), Stage(name="Check", actions=[tested])]

    def source_stage(self) -> Stage:
        return stages.source(self.connection_arn, self.repository, self.branch)

    def image_stages(self, pipeline: str, opts: pulumi.ResourceOptions) -> list[Stage]:
        """Builds the image and scans it, each under a role of its own."""
        group = self.target.arn("logs", f"log-group:{self.target.pipeline_logs(pipeline)}")
        streams = pulumi.Output.concat(group, ":*")
        logging = Allow(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[group, streams])

        def role(job: str, allowed: Sequence[Allow]) -> pulumi.Output[str]:
            return iam.role(
                f"{pipeline}-{job}",
                opts,
                assumed_by=iam.trust_roles([self.role(pipeline)], self.target.account),
                may=[logging, *self.store.used(), *allowed],
                named=self.target.build(f"{pipeline}-{job}"),
            ).arn

        return stages.image(
            CONTEXT,
            repository=self.registry_name,
            build_role=role("image", roles.pushing_image(self.registry_arn)),
            scan_role=role("scan", roles.scanning_image(self.registry_arn)),
        )
