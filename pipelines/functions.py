"""The functions' pipeline: test → one zip → for each environment a version of each function, then its canary.

The canary is CodePipeline's own Lambda action: a tenth of the calls go to the new version for five minutes, then all,
unless the function's alarm rings; then the alias goes back, the stage fails, and the last good execution's versions are
put in its place for all functions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pulumi

from cloud.component import Component
from cloud.function import ALIAS
from pipelines import source, stages
from pipelines.builds import Project
from pipelines.home import Home
from pipelines.pipeline import Pipeline, PipelineArgs
from pipelines.receiver import CANARY
from pipelines.stages import CHECKED, PROGRAM, SOURCE, Action, Stage, Step, build_of
from pipelines.target import Target, version_variable

ZIPS = "zips"
STRATEGY = "Canary10Percent5Minutes"
PATHS = ("app/**", "requirements/app.txt", "pipelines/**")


@dataclass(frozen=True, kw_only=True)
class FunctionsArgs:
    """`functions`: their names; `targets` in the order of promotion."""

    home: Home
    targets: Sequence[Target]
    functions: Sequence[str]
    check: Project
    package: Project


class Functions(Component):
    pipeline_name: pulumi.Output[str]

    def __init__(self, name: str, args: FunctionsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        trigger = source.merged(args.home.branch, PATHS)
        made = Pipeline(name, PipelineArgs(home=args.home, stages=[*_stages(args)], trigger=trigger), self.child)
        self.pipeline_name = made.pipeline_name
        self.publish()


def _stages(args: FunctionsArgs) -> Iterator[Stage]:
    home = args.home
    yield stages.source(home.connection_arn, home.repository, home.branch)
    check = args.check.build.action("Check", SOURCE, outputs=CHECKED)
    yield Stage(name="Check", actions=[check])
    package = args.package.build.action("Package", SOURCE, outputs=[ZIPS])
    yield Stage(name="Package", actions=[package])
    yield from stages.delivery([_published(target, args.functions) for target in args.targets], home.topic_arn)


def _published(target: Target, functions: Sequence[str]) -> Step:
    namespace = f"Versions{target.title}"
    publish = build_of(target, "publish").action("Publish", ZIPS, namespace=namespace)
    smoke = build_of(target, "smoke").action("Smoke", PROGRAM, order=3)
    canaries = [_canary(target, name, f"#{{{namespace}.{version_variable(name)}}}") for name in functions]
    return Step(target=target, done=[publish, *canaries, smoke])


def _canary(target: Target, function: str, version: str) -> Action:
    """AWS: an alias that exists and has one version behind it, to which it can go back; at most ten alarms."""
    return Action(
        name=f"Canary-{function}",
        category="Deploy",
        provider="Lambda",
        configuration={
            "FunctionName": target.function(function),
            "FunctionAlias": ALIAS,
            "PublishedTargetVersion": version,
            "DeployStrategy": STRATEGY,
            "Alarms": target.alarm(function),
        },
        role=target.role(CANARY),
        order=2,
    )
