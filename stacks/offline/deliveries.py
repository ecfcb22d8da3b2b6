"""What delivering takes of a month: it goes by the developers' days, not by members' orders."""

from collections.abc import Callable, Mapping

from stacks.offline.load import Site
from stacks.offline.recording import Resource

# Of each pipeline a month: two a working day. Minutes of a test of everything, and of any other build or action.
RUNS, TEST_MINUTES, STEP_MINUTES = 40, 15, 4


def _build(resource: Resource, _: Site) -> Mapping[str, float]:
    size = resource.inputs["environment"]["computeType"].removeprefix("BUILD_GENERAL1_").lower()
    return {f"build-{size}-minute": RUNS * (TEST_MINUTES if size == "large" else STEP_MINUTES)}


def _pipeline(resource: Resource, _: Site) -> Mapping[str, float]:
    """By its actions' minutes; waiting for a person is free."""
    actions = [one for stage in resource.inputs["stages"] for one in stage["actions"] if one["category"] != "Approval"]
    return {"pipeline-minute": RUNS * STEP_MINUTES * len(actions)}


USES: Mapping[str, Callable[[Resource, Site], Mapping[str, float]]] = {
    "aws:codebuild/project:Project": _build,
    "aws:codepipeline/pipeline:Pipeline": _pipeline,
}
