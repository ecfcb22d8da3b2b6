"""The functions' pipeline: test → one zip → for each environment a version of each function, then its canary.

The canary is CodePipeline's own Lambda action: a tenth of the calls go to the new version for five minutes, then all,
unless the function's alarm rings; then the alias goes back, the stage fails, and CodePipeline puts the last good
execution's versions in place for all functions.
"""

from collections.abc import Sequence

from cloud.function import ALIAS
from pipelines.builds import Project
from pipelines.promotion import Promoted
from pipelines.receiver import CANARY
from pipelines.stages import PROGRAM, SOURCE, Action, Stage, Step, build_of
from pipelines.target import Target, version_variable

ZIPS = "zips"
STRATEGY = "Canary10Percent5Minutes"
PATHS = ("app/**", "requirements/app.txt", "pipelines/**")


def promoted(functions: Sequence[str], package: Project) -> Promoted:
    """`functions`: their names; `package`: the build that makes the zip."""
    packaged = Stage(name="Package", actions=[package.build.action("Package", SOURCE, outputs=[ZIPS])])
    return Promoted(paths=PATHS, built=lambda _: [packaged], step=lambda target: _step(target, functions))


def _step(target: Target, functions: Sequence[str]) -> Step:
    namespace = f"Versions{target.title}"
    publish = build_of(target, "publish").action("Publish", ZIPS, namespace=namespace)
    smoke = build_of(target, "smoke").action("Smoke", PROGRAM, order=3)
    canaries = [_canary(target, name, f"#{{{namespace}.{version_variable(name)}}}") for name in functions]
    return Step(target=target, done=[publish, *canaries, smoke])


def _canary(target: Target, function: str, version: str) -> Action:
    """AWS demands that the alias exists with one version behind it to return to; it takes at most ten alarms."""
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
