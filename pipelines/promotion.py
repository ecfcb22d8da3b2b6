"""A pipeline that takes each merge to the environments, one after the other: pods, functions and platform are such.

All begin with the source and its tests and end with the environments in the order of promotion. A `Promoted` says what
is built in between, what delivering to one environment means, and which changed files start a run.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pulumi

from cloud.component import Component
from pipelines import source, stages
from pipelines.builds import Project
from pipelines.home import Home
from pipelines.pipeline import Pipeline, PipelineArgs
from pipelines.stages import Stage, Step
from pipelines.target import Target


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """What is delivered. A push that touches one of `paths` starts a run; `step` are the actions for one target.

    `built` returns the stages between the tests and the first environment; it gets the options for its resources.
    """

    paths: Sequence[str]
    step: Callable[[Target], Step]
    built: Callable[[pulumi.ResourceOptions], Iterable[Stage]] = lambda _: ()


@dataclass(frozen=True, kw_only=True)
class PromotionArgs:
    """`targets` in the order of promotion; `check` is the build that runs all tests."""

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
        self.pipeline_name = pipeline.pipeline_name
        self.publish()
