"""What pipelines share where they stand, and the builds that come before any environment is touched."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi

from cloud import iam
from cloud.iam import Allow
from pipelines import roles
from pipelines.artifacts import Store
from pipelines.builds import BuildArgs, Project
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
        """For builds that take the source with its history."""
        return Allow(actions=["codeconnections:UseConnection"], resources=[self.connection_arn])

    def build(
        self,
        job: str,
        pipelines: Sequence[str],
        opts: pulumi.ResourceOptions,
        size: Literal["SMALL", "MEDIUM", "LARGE"] = "LARGE",
        buildspec: str | None = None,
    ) -> Project:
        """One that clones the repository and tests what it finds."""
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

    def image_roles(self, pipeline: str, opts: pulumi.ResourceOptions) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        """Of the actions that build the image and look through it, in this order."""
        group = self.target.arn("logs", f"log-group:{self.target.pipeline_logs(pipeline)}")
        written = pulumi.Output.concat(group, ":*")
        logging = Allow(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[group, written])
        may = {"image": roles.pushing_image(self.registry_arn), "scan": roles.scanning_image(self.registry_arn)}
        made = [
            iam.role(
                f"{pipeline}-{job}",
                opts,
                assumed_by=iam.trust_roles([self.role(pipeline)], self.target.account),
                may=[logging, *self.store.used(), *allowed],
                named=self.target.build(f"{pipeline}-{job}"),
            ).arn
            for job, allowed in may.items()
        ]
        return made[0], made[1]
