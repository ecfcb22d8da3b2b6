"""Code signing of Lambda functions (CKV_AWS_272): AWS Signer's profile, and what functions do with unsigned code.

The right to change a function's code is no longer enough to change what it does: code must be signed with the profile,
for which only the pipeline's build `publish` has the right. AWS charges nothing for it.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud.component import Component


@dataclass(frozen=True, kw_only=True)
class SigningArgs:
    prefix: str


class Signing(Component):
    """A signing profile, and configurations of functions: `warned_arn` logs unsigned code, `enforced_arn` refuses it.

    Pulumi chooses the profile's name, because AWS never frees one.
    """

    profile: pulumi.Output[str]
    warned_arn: pulumi.Output[str]
    enforced_arn: pulumi.Output[str]

    def __init__(self, name: str, args: SigningArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("function", name, opts)
        profile = aws.signer.SigningProfile(
            name,
            name_prefix=f"{args.prefix.replace('-', '_')}_",
            platform_id="AWSLambda-SHA384-ECDSA",
            opts=self.child,
        )
        self.profile = profile.name
        self.warned_arn, self.enforced_arn = (
            aws.lambda_.CodeSigningConfig(
                f"{name}-{policy.lower()}",
                allowed_publishers={"signing_profile_version_arns": [profile.version_arn]},
                policies={"untrusted_artifact_on_deployment": policy},
                opts=self.child,
            ).arn
            for policy in ("Warn", "Enforce")
        )
        self.publish()
