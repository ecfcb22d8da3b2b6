"""The pipeline for Lambda functions: test, zip, then in each environment publish versions and shift traffic by canary.

The canary is CodePipeline's own Lambda action: a tenth of the calls go to the new version for five minutes, then all
calls. If the function's alarm rings, the alias goes back to the old version, the stage fails, and CodePipeline puts the
last good execution's versions in place for all functions.
"""

from collections.abc import Sequence

from cloud.function import ALIAS
from pipelines.builds import Project
from pipelines.promotion_pipeline import Promoted
from pipelines.receiver import CANARY
from pipelines.stages import PROGRAM, SOURCE, Action, Stage, Step, build_of
from pipelines.target import Target, version_variable

ZIPS = "zips"
STRATEGY = "Canary10Percent5Minutes"
PATHS = ("app/**", "requirements/app.txt", "pipelines/**")


def promoted(functions: Sequence[str], package: Project) -> Promoted:
    """Returns the definition of the functions' pipeline; `package` is the CodeBuild project that makes the zip."""
    packaged = Stage(name="Package", actions=[package.build.action("Package", SOURCE, outputs=[ZIPS])])
    return Promoted(paths=PATHS, built=lambda _: [packaged], step=lambda target: _step(target, functions))


def _step(target: Target, functions: Sequence[str]) -> Step:
    namespace = f"Versions{target.title}"
    publish = build_of(target, "publish").action("Publish", ZIPS, namespace=namespace)
    smoke = build_of(target, "smoke").action("Smoke", PROGRAM, order=3)
    versions = {name: f"#{{{namespace}.{version_variable(name)}}}" for name in functions}
    published = {version_variable(name): version for name, version in versions.items()}
    record = build_of(target, "record").action("Record", PROGRAM, order=3, variables=published)
    canaries = [_canary(target, name, version) for name, version in versions.items()]
    return Step(target=target, done=[publish, *canaries, record, smoke])


def _canary(target: Target, function: str, version: str) -> Action:
    """Returns the CodePipeline action that moves a function's alias to the published `version` step by step."""
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
