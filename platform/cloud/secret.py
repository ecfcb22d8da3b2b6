"""A secret whose value this program never sees: it is created empty and filled by a process inside the account.

Controls: SecretsManager.3 (the trail shows unused ones), CMK. SecretsManager.1 and .4 (rotation) are waived: the one
such secret signs tokens that are valid for 15 minutes, and its issuer publishes one key at a time, so changing it is a
deliberate step (stacks/README.md).
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud.component import Component

# Days in which a deleted secret can be restored. AWS allows 7 to 30, or 0: deleted at once.
_RECOVERY_DAYS = {True: 30, False: 0}


@dataclass(frozen=True, kw_only=True)
class SecretArgs:
    about: str
    key_arn: pulumi.Input[str]
    protect: bool = True


class Secret(Component):
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: SecretArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("secret", name, opts)
        secret = aws.secretsmanager.Secret(
            name,
            description=args.about,
            kms_key_id=args.key_arn,
            recovery_window_in_days=_RECOVERY_DAYS[args.protect],
            opts=self.kept(args.protect),
        )
        self.arn = secret.arn
        self.publish()
