"""Estimates the billed minutes of builds and pipelines in a month.

Each pipeline runs twice a working day or, under the load `idle`, once a week to rebuild the image.
"""

from collections.abc import Callable, Mapping

from stacks.offline.load import Site
from stacks.offline.recording import Resource

# Runs of each pipeline a month; minutes of the full test, and of any other build or action.
RUNS, IDLE_RUNS, TEST_MINUTES, STEP_MINUTES = 40, 4, 15, 4


def _runs(site: Site) -> int:
    return RUNS if site.load.requests else IDLE_RUNS


def _build(resource: Resource, site: Site) -> Mapping[str, float]:
    size = resource.inputs["environment"]["computeType"].removeprefix("BUILD_GENERAL1_").lower()
    return {f"build-{size}-minute": _runs(site) * (TEST_MINUTES if size == "large" else STEP_MINUTES)}


def _pipeline(resource: Resource, site: Site) -> Mapping[str, float]:
    """Counts the billed minutes of a pipeline's actions in a month; waiting for an approval costs nothing."""
    actions = [
        action for stage in resource.inputs["stages"] for action in stage["actions"] if action["category"] != "Approval"
    ]
    return {"pipeline-minute": _runs(site) * STEP_MINUTES * len(actions)}


def _inspector(_: Resource, site: Site) -> Mapping[str, float]:
    """Counts Inspector's scans: of each new image, and each day of those that ran in the last fortnight."""
    return {"image-scan": _runs(site), "image-rescan": _runs(site) / 2 * 30}


USES: Mapping[str, Callable[[Resource, Site], Mapping[str, float]]] = {
    "aws:codebuild/project:Project": _build,
    "aws:codepipeline/pipeline:Pipeline": _pipeline,
    "aws:inspector2/enabler:Enabler": _inspector,
}
