"""The infrastructure's pipeline: test and policies → for each environment what would change, then layer after layer.

`pulumi up` of a layer that failed half way is mended by the next run: a rollback runs the last good program again, and
what Pulumi protects no run can delete.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pulumi

from cloud.component import Component
from pipelines import layers, source, stages
from pipelines.builds import Project
from pipelines.home import Home
from pipelines.pipeline import Pipeline, PipelineArgs
from pipelines.stages import CHECKED, PROGRAM, SOURCE, Stage, Step, build_of
from pipelines.target import Target

PATHS = (
    "platform/**",
    "stacks/**",
    "policies/**",
    "Pulumi.yaml",
    "requirements/**",
    "app/services.py",
    "app/logins.py",
)


@dataclass(frozen=True, kw_only=True)
class PlatformArgs:
    """`targets` in the order of promotion."""

    home: Home
    targets: Sequence[Target]
    check: Project


class Platform(Component):
    pipeline_name: pulumi.Output[str]

    def __init__(self, name: str, args: PlatformArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        trigger = source.merged(args.home.branch, PATHS)
        made = Pipeline(name, PipelineArgs(home=args.home, stages=[*_stages(args)], trigger=trigger), self.child)
        self.pipeline_name = made.pipeline_name
        self.publish()


def _stages(args: PlatformArgs) -> Iterator[Stage]:
    home = args.home
    yield stages.source(home.connection_arn, home.repository, home.branch)
    check = args.check.build.action("Check", SOURCE, outputs=CHECKED)
    yield Stage(name="Check", actions=[check])
    yield from stages.delivery([_brought_up(target) for target in args.targets], home.topic_arn)


def _brought_up(target: Target) -> Step:
    shown = build_of(target, "diff").action("Diff", PROGRAM, variables={"LAYERS": " ".join(layers.LAYERS)})
    ups = [
        build_of(target, f"up-{layer}").action(f"Up-{layer}", PROGRAM, order=order)
        for order, layer in enumerate(layers.LAYERS, 1)
    ]
    smoke = build_of(target, "smoke").action("Smoke", PROGRAM, order=len(ups) + 1)
    return Step(target=target, shown=[shown], done=[*ups, smoke])
