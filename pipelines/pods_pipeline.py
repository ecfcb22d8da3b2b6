"""The pipeline for pods: test, build and scan an image, then in each environment preview, roll out and smoke-test it.

The image is built once, scanned once, and named by its digest in every environment. A rollout that fails puts the
previous image back (`pipelines.rollout`), and CodePipeline repeats the stage with the last good execution's image.
"""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.iam import Allow
from pipelines import stages
from pipelines.home import Home
from pipelines.promotion_pipeline import Again, Promoted
from pipelines.stages import PROGRAM, Stage, Step, build_of
from pipelines.target import Target

PATHS = ("app/**", "requirements/**", "pipelines/**", "pyproject.toml")
_WEEKLY = "cron(0 4 ? * MON *)"  # no zone's clock change leaves it out, and AWS would skip it


def promoted(home: Home, targets: Sequence[Target], time_zone: str) -> Promoted:
    """Returns the definition of the pods' pipeline: the stages of the image, its rollouts, the trigger.

    Each week it builds the newest commit again, so that an image gets what its base has mended since.
    """

    def built(opts: pulumi.ResourceOptions) -> list[Stage]:
        _let_pull(home, targets, opts)
        return home.image_stages("pods", opts)

    image = pulumi.Output.concat(home.registry_url, "@", stages.DIGEST)
    again = Again(name="pods-rebuilt", at=_WEEKLY, time_zone=time_zone)
    return Promoted(paths=PATHS, built=built, step=lambda target: _step(target, image), again=again)


def _let_pull(home: Home, targets: Sequence[Target], opts: pulumi.ResourceOptions) -> None:
    """Lets the accounts of all environments pull the scanned image from the one registry."""
    pulling = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    accounts = [pulumi.Output.concat("arn:aws:iam::", target.account, ":root") for target in targets]
    statements = [Allow(principals={"AWS": account}, actions=pulling, resources=()) for account in accounts]
    aws.ecr.RepositoryPolicy("pods", repository=home.registry_name, policy=iam.document(*statements), opts=opts)


def _step(target: Target, image: pulumi.Output[str]) -> Step:
    rollout = build_of(target, "rollout").action("Rollout", PROGRAM, variables={"IMAGE": image})
    smoke = build_of(target, "smoke").action("Smoke", PROGRAM, variables={"FLAGS": "--delivered"}, order=2)
    diff = build_of(target, "diff").action("Diff", PROGRAM, variables={"LAYERS": "apps"})
    return Step(target=target, shown=[diff], done=[rollout, smoke])
