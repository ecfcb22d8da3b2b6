"""Fixed names of roles, builds and functions, by which pipelines and environments in two AWS accounts find each other.

Each environment has its own AWS account. Pipelines in one account start builds in another, and neither account's stack
can read the other's outputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from cloud import iam

Text = pulumi.Input[str]


@dataclass(frozen=True, kw_only=True)
class Target:
    """An environment that pipelines deliver to: its name, AWS account and region.

    `pipelines` holds the roles of pipelines in the same account; it is empty if the pipelines are in another account.
    """

    environment: str
    account: Text
    region: str
    pipelines: Mapping[str, aws.iam.Role] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name of the pipeline stage that delivers to the environment."""
        return self.environment.capitalize()

    def build(self, job: str) -> str:
        """Returns the name of an environment's CodeBuild project for a job (smoke); names of its roles begin so too."""
        return f"delivery-{self.environment}-{job}"

    def pipeline_logs(self, pipeline: str) -> str:
        """Returns the log group of actions that CodePipeline runs itself, without CodeBuild: image build and scan."""
        return f"/aws/codepipeline/{self.build(pipeline)}"

    def starter(self, job: str) -> pulumi.Output[str]:
        """Returns the ARN of the role that a pipeline assumes to start the environment's build for a job."""
        return self.role(f"{job}-start")

    def role(self, job: str) -> pulumi.Output[str]:
        return pulumi.Output.concat("arn:aws:iam::", self.account, f":role/{self.build(job)}")

    def trust(self, pipelines: Sequence[str]) -> pulumi.Output[str]:
        """Returns a trust policy that lets the environment's `pipelines` assume a role.

        It names their roles, not (CKV_AWS_61) their account. AWS accepts no role as principal that is not there: those
        in another account must be made first, those in the same account are made before the policy.
        """
        return iam.trust_roles([self._pipeline_role(pipeline) for pipeline in pipelines])

    def _pipeline_role(self, pipeline: str) -> pulumi.Output[str]:
        if not self.pipelines:
            return self.role(pipeline)
        return pulumi.Output.concat("arn:aws:iam::", self.account, ":role/", self.pipelines[pipeline].name)

    def function(self, name: str) -> str:
        return f"rewards-{self.environment}-{name}"

    def alarm(self, function: str) -> str:
        """Returns the name of the alarm on a function's failed calls, which rolls back the function's canary."""
        return f"{self.function(function)}-errors"

    def arn(self, service: str, resource: Text) -> pulumi.Output[str]:
        return pulumi.Output.concat(f"arn:aws:{service}:{self.region}:", self.account, ":", resource)


def version_variable(function: str) -> str:
    """Returns the name of the pipeline variable that holds the version of a function which the build published."""
    return function.replace("-", "_").upper()
