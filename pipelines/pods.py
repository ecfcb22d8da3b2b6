"""The pods' pipeline: test → image → scan → for each environment what would change, rollout by digest, smoke test.

What passes a rollout is one image: built once, scanned once, and named by its digest in every environment. A stage that
fails puts the digest before back (`pipelines.rollout`), and CodePipeline runs the last good execution through it again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.component import Component
from cloud.iam import Allow
from pipelines import source, stages
from pipelines.builds import Project
from pipelines.home import Home
from pipelines.pipeline import Pipeline, PipelineArgs
from pipelines.stages import CHECKED, CONTEXT, PROGRAM, SOURCE, Stage, Step, build_of
from pipelines.target import Target

# A pipeline of its own brings each of the others; this one brings what pods run.
PATHS = ("app/**", "requirements/**", "pipelines/**", "pyproject.toml")


@dataclass(frozen=True, kw_only=True)
class PodsArgs:
    """`targets` in the order of promotion."""

    home: Home
    targets: Sequence[Target]
    check: Project


class Pods(Component):
    pipeline_name: pulumi.Output[str]

    def __init__(self, name: str, args: PodsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        self._name, self._args = name, args
        trigger = source.merged(args.home.branch, PATHS)
        made = Pipeline(name, PipelineArgs(home=args.home, stages=[*self._stages()], trigger=trigger), self.child)
        self._lend(args.targets)
        self.pipeline_name = made.pipeline_name
        self.publish()

    def _stages(self) -> Iterator[Stage]:
        home = self._args.home
        yield stages.source(home.connection_arn, home.repository, home.branch)
        check = self._args.check.build.action("Check", SOURCE, outputs=CHECKED)
        yield Stage(name="Check", actions=[check])
        build_role, scan_role = home.image_roles(self._name, self.child)
        yield from stages.image(CONTEXT, repository=home.registry_name, build_role=build_role, scan_role=scan_role)
        image = pulumi.Output.concat(home.registry_url, "@", stages.DIGEST)
        steps = [rolling_out(target, image) for target in self._args.targets]
        yield from stages.delivery(steps, home.topic_arn)

    def _lend(self, targets: Sequence[Target]) -> None:
        """Every environment pulls the one image that was scanned, from here."""
        pulling = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        accounts = [pulumi.Output.concat("arn:aws:iam::", target.account, ":root") for target in targets]
        lent = [Allow(principals={"AWS": account}, actions=pulling, resources=()) for account in accounts]
        aws.ecr.RepositoryPolicy(
            self._name, repository=self._args.home.registry_name, policy=iam.document(*lent), opts=self.child
        )


def rolling_out(target: Target, image: pulumi.Output[str]) -> Step:
    rollout = build_of(target, "rollout").action("Rollout", PROGRAM, variables={"IMAGE": image})
    smoke = build_of(target, "smoke").action("Smoke", PROGRAM, variables={"FLAGS": "--delivered"}, order=2)
    shown = build_of(target, "diff").action("Diff", PROGRAM, variables={"LAYERS": "apps"})
    return Step(target=target, shown=[shown], done=[rollout, smoke])
