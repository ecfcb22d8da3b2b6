"""A pipeline that delivers each merge to one environment after the other: dev, staging, prod.

There are three such pipelines: pods, functions and platform. All begin with the stages that fetch and test the source.
`Promoted` holds what differs: the stages that build, the actions that deliver, the files whose change starts a run.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pulumi

from cloud.component import Component
from pipelines import source, stages
from pipelines.builds import Project
from pipelines.home import Home
from pipelines.pipeline import Pipeline, PipelineArgs, scheduled
from pipelines.stages import Stage, Step
from pipelines.target import Target


@dataclass(frozen=True, kw_only=True)
class Again:
    """A schedule's name and its times, `cron(…)` in the program's time zone."""

    name: str
    at: str
    time_zone: str


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """The definition of the pipeline for pods, functions or platform. A push to files in `paths` starts a run.

    `step` returns the actions that deliver to one environment. `built` makes the stages between the tests and the
    deliveries; the resources for these stages are made with its argument, Pulumi's options. `again` is the schedule
    that starts a run although nothing was pushed.
    """

    paths: Sequence[str]
    step: Callable[[Target], Step]
    built: Callable[[pulumi.ResourceOptions], Iterable[Stage]] = lambda _: ()
    again: Again | None = None


@dataclass(frozen=True, kw_only=True)
class PromotionArgs:
    """Settings of a pipeline: `targets` are environments in order of delivery, `check` is the project that tests."""

    home: Home
    targets: Sequence[Target]
    check: Project
    promoted: Promoted


class Promotion(Component):
    pipeline_name: pulumi.Output[str]

    def __init__(self, name: str, args: PromotionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts, kind=name.capitalize())
        home, promoted = args.home, args.promoted
        steps = [promoted.step(target) for target in args.targets]
        all_stages = [
            *home.first_stages(args.check),
            *promoted.built(self.child),
            *stages.delivery(steps, home.topic_arn),
        ]
        trigger = source.merged(home.branch, promoted.paths)
        pipeline = Pipeline(name, PipelineArgs(home=home, stages=all_stages, trigger=trigger), self.child)
        if again := promoted.again:
            scheduled(again.name, self.child, home, pipeline, at=again.at, time_zone=again.time_zone)
        self.pipeline_name = pipeline.pipeline_name
        self.publish()
