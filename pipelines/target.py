"""The fixed names by which pipelines and the environments that they deliver to refer to each other.

Each environment has an AWS account: the pipelines are in one of them, the builds that they start in another, and
neither sees the other's outputs. So the names are fixed here.
"""

from dataclasses import dataclass

import pulumi

Text = pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class Target:
    """An environment that is delivered to."""

    environment: str
    account: Text
    region: str

    @property
    def title(self) -> str:
        """The name of the environment's stage."""
        return self.environment.capitalize()

    def build(self, job: str) -> str:
        """The name of a CodeBuild project; its roles' names begin with it."""
        return f"delivery-{self.environment}-{job}"

    def pipeline_logs(self, pipeline: str) -> str:
        """The log group of CodePipeline's own compute."""
        return f"/aws/codepipeline/{self.build(pipeline)}"

    def starter(self, job: str) -> pulumi.Output[str]:
        """The role that a pipeline assumes to start one build there."""
        return self.role(f"{job}-start")

    def role(self, job: str) -> pulumi.Output[str]:
        return pulumi.Output.concat("arn:aws:iam::", self.account, f":role/{self.build(job)}")

    def function(self, name: str) -> str:
        return f"rewards-{self.environment}-{name}"

    def alarm(self, function: str) -> str:
        """The alarm on a function's failed calls, which stops its canary."""
        return f"{self.function(function)}-errors"

    def arn(self, service: str, resource: Text) -> pulumi.Output[str]:
        return pulumi.Output.concat(f"arn:aws:{service}:{self.region}:", self.account, ":", resource)


def version_variable(function: str) -> str:
    """The variable in which a build gives the next stage the version of a function that it published."""
    return function.replace("-", "_").upper()
