"""What the ends of a pipeline call each other by.

One AWS account an environment: the pipelines stand in one of them, what they set going in another, and neither sees the
other's outputs. So these names are fixed, here and nowhere else.
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
        """As a stage is called."""
        return self.environment.capitalize()

    def build(self, job: str) -> str:
        """A CodeBuild project; its roles begin alike."""
        return f"delivery-{self.environment}-{job}"

    def pipeline_logs(self, pipeline: str) -> str:
        """Where CodePipeline's own compute writes."""
        return f"/aws/codepipeline/{self.build(pipeline)}"

    def starter(self, job: str) -> pulumi.Output[str]:
        """The role that a pipeline takes on to start one build there."""
        return self.role(f"{job}-start")

    def role(self, job: str) -> pulumi.Output[str]:
        return pulumi.Output.concat("arn:aws:iam::", self.account, f":role/{self.build(job)}")

    def function(self, name: str) -> str:
        return f"rewards-{self.environment}-{name}"

    def alarm(self, function: str) -> str:
        """Rings when calls of a function fail: it stops the canary."""
        return f"{self.function(function)}-errors"

    def arn(self, service: str, resource: Text) -> pulumi.Output[str]:
        return pulumi.Output.concat(f"arn:aws:{service}:{self.region}:", self.account, ":", resource)


def version_variable(function: str) -> str:
    """How a build tells the next stage which version of a function it published."""
    return function.replace("-", "_").upper()
