"""Resources and first stages (source, tests, image) that all pipelines in one account share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi

from cloud import iam
from cloud.iam import Allow
from pipelines import build_permissions, stages
from pipelines.artifacts import Store
from pipelines.builds import BuildArgs, Project
from pipelines.stages import CHECKED, CONTEXT, PROGRAM, SOURCE, Stage
from pipelines.target import Target, Text


@dataclass(frozen=True, kw_only=True)
class Home:
    """Resources that all pipelines in an account share: Git repository (`owner/name`), registry, SNS topic, keys."""

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

    def cloning(self) -> Allow:
        """Returns the IAM permission to clone the Git repository with its history."""
        return Allow(actions=["codeconnections:UseConnection"], resources=[self.connection_arn])

    def build(
        self,
        job: str,
        pipelines: Sequence[str],
        opts: pulumi.ResourceOptions,
        size: Literal["SMALL", "MEDIUM", "LARGE"] = "LARGE",
        buildspec: str | None = None,
    ) -> Project:
        """Makes a CodeBuild project that clones the repository, and that `pipelines` may start."""
        return Project(
            job,
            BuildArgs(
                buildspec=buildspec,
                target=self.target,
                home=self.target,
                pipelines=pipelines,
                store=self.store,
                logs_key_arn=self.logs_key_arn,
                may=[self.cloning()],
                tested=job.startswith("check"),
                size=size,
            ),
            opts,
        )

    def first_stages(self, check: Project) -> list[Stage]:
        """Returns the Source stage and the Check stage, which runs the tests and makes the later stages' artifacts."""
        tested = check.build.action("Check", SOURCE, outputs=CHECKED)
        return [self.source_stage(), Stage(name="Check", actions=[tested])]

    def source_stage(self) -> Stage:
        return stages.source(self.connection_arn, self.repository, self.branch)

    def image_stages(self, pipeline: str, opts: pulumi.ResourceOptions) -> list[Stage]:
        """Returns the stages that build the image and judge what Inspector found in it, each with its own IAM role."""
        arn = pulumi.Output.concat(self.registry_arn, "/", stages.DIGEST)
        findings = self._findings(pipeline, opts).build.action("Findings", PROGRAM, variables={"IMAGE_ARN": arn})
        return stages.image(
            CONTEXT,
            repository=self.registry_name,
            build_role=self._image_role(pipeline, opts),
            judged=findings,
        )

    def _findings(self, pipeline: str, opts: pulumi.ResourceOptions) -> Project:
        args = BuildArgs(
            buildspec="findings",
            target=self.target,
            home=self.target,
            pipelines=[pipeline],
            store=self.store,
            logs_key_arn=self.logs_key_arn,
            may=[build_permissions.reading_findings()],
        )
        return Project(f"{pipeline}-findings", args, opts)

    def _image_role(self, pipeline: str, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        group = self.target.arn("logs", f"log-group:{self.target.pipeline_logs(pipeline)}")
        streams = pulumi.Output.concat(group, ":*")
        logging = Allow(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[group, streams])
        role = iam.role(
            f"{pipeline}-image",
            opts,
            assumed_by=self.target.trust([pipeline]),
            may=[logging, *self.store.used(), *build_permissions.pushing_image(self.registry_arn)],
            named=self.target.build(f"{pipeline}-image"),
        )
        return role.arn
