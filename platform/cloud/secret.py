"""A secret in Secrets Manager, created empty: a process in the account fills it, so Pulumi never sees its value.

Controls: SecretsManager.3 (the audit trail shows unused secrets); a customer-managed key encrypts. SecretsManager.1 and
.4 (rotation; CKV2_AWS_57) are waived: the only such secret is the key that signs vendors' tokens, which are valid for
15 minutes. Their issuer publishes one key at a time, so a person changes the key when it is convenient
(stacks/README.md).
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
