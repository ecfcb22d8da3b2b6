"""The monthly cost of builds and pipelines, which depends on developers' working days rather than on orders."""

from collections.abc import Callable, Mapping

from stacks.offline.load import Site
from stacks.offline.recording import Resource

# Runs of each pipeline a month (two a working day); minutes of the full test, and of any other build or action.
RUNS, TEST_MINUTES, STEP_MINUTES = 40, 15, 4


def _build(resource: Resource, _: Site) -> Mapping[str, float]:
    size = resource.inputs["environment"]["computeType"].removeprefix("BUILD_GENERAL1_").lower()
    return {f"build-{size}-minute": RUNS * (TEST_MINUTES if size == "large" else STEP_MINUTES)}


def _pipeline(resource: Resource, _: Site) -> Mapping[str, float]:
    """Counts the minutes of a pipeline's actions; waiting for an approval costs nothing."""
    actions = [
        action for stage in resource.inputs["stages"] for action in stage["actions"] if action["category"] != "Approval"
    ]
    return {"pipeline-minute": RUNS * STEP_MINUTES * len(actions)}


USES: Mapping[str, Callable[[Resource, Site], Mapping[str, float]]] = {
    "aws:codebuild/project:Project": _build,
    "aws:codepipeline/pipeline:Pipeline": _pipeline,
}
