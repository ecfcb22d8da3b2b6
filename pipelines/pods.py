"""The pods' pipeline: test → image → scan → for each environment what would change, rollout by digest, smoke test.

One image passes a rollout: built once, scanned once, and named by its digest in every environment. A stage that fails
puts the digest before back (`pipelines.rollout`), and CodePipeline runs the last good execution through it again.
"""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.iam import Allow
from pipelines import stages
from pipelines.home import Home
from pipelines.promotion import Promoted
from pipelines.stages import PROGRAM, Stage, Step, build_of
from pipelines.target import Target

PATHS = ("app/**", "requirements/**", "pipelines/**", "pyproject.toml")


def promoted(home: Home, targets: Sequence[Target]) -> Promoted:
    def built(opts: pulumi.ResourceOptions) -> list[Stage]:
        _let_pull(home, targets, opts)
        return home.image_stages("pods", opts)

    image = pulumi.Output.concat(home.registry_url, "@", stages.DIGEST)
    return Promoted(paths=PATHS, built=built, step=lambda target: _step(target, image))


def _let_pull(home: Home, targets: Sequence[Target], opts: pulumi.ResourceOptions) -> None:
    """Lets every environment's account pull the scanned image from the one registry."""
    pulling = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    accounts = [pulumi.Output.concat("arn:aws:iam::", target.account, ":root") for target in targets]
    statements = [Allow(principals={"AWS": account}, actions=pulling, resources=()) for account in accounts]
    aws.ecr.RepositoryPolicy("pods", repository=home.registry_name, policy=iam.document(*statements), opts=opts)


def _step(target: Target, image: pulumi.Output[str]) -> Step:
    rollout = build_of(target, "rollout").action("Rollout", PROGRAM, variables={"IMAGE": image})
    smoke = build_of(target, "smoke").action("Smoke", PROGRAM, variables={"FLAGS": "--delivered"}, order=2)
    diff = build_of(target, "diff").action("Diff", PROGRAM, variables={"LAYERS": "apps"})
    return Step(target=target, shown=[diff], done=[rollout, smoke])
