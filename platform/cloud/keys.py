"""The customer-managed KMS keys of one environment, one for each kind of data, so that access can differ.

Controls: KMS.4 (rotation), KMS.5 (not public); every key has a policy. The account's IAM policies decide who uses a
key; the keys' own policies add only AWS services, on behalf of this account.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.alerts import publishers
from cloud.component import Component
from cloud.iam import Allow

# AWS's longest waiting period before a key is deleted.
_DELETION_DAYS = 30
_ENCRYPT = ("kms:Decrypt", "kms:GenerateDataKey*")


@dataclass(frozen=True, kw_only=True)
class KeysArgs:
    region: str
    recovery_region: str
    account: pulumi.Input[str]
    protect: bool = True
    previews: bool = False


@dataclass(frozen=True)
class PreviewKeys:
    """The two KMS keys that all previews of an environment share: one encrypts, the other signs ledger digests."""

    encrypting_arn: pulumi.Output[str]
    signing_arn: pulumi.Output[str]


class Keys(Component):
    """An environment's KMS keys: `data` for business data, `logs` for logs, alerts, queues; `cluster` for EKS secrets.

    `signing` signs the ledger's digests: an elliptic-curve pair whose private half never leaves KMS. `recovery`
    encrypts the copies in the second region, which must be readable when the first is gone. `previews` are separate
    keys for previews; None if the environment hosts none.
    """

    data_arn: pulumi.Output[str]
    logs_arn: pulumi.Output[str]
    cluster_arn: pulumi.Output[str]
    signing_arn: pulumi.Output[str]
    recovery_arn: pulumi.Output[str]

    def __init__(self, name: str, args: KeysArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("keys", name, opts)
        self._args = args
        self.previews: PreviewKeys | None = None
        self.data_arn = self._symmetric(f"{name}-data", "databases, streams, archives, warehouse, functions")
        self.cluster_arn = self._symmetric(f"{name}-cluster", "Kubernetes' secrets")
        self.logs_arn = self._symmetric(f"{name}-logs", "logs, alerts and queues", *self._log_services())
        self.signing_arn = self._signing(f"{name}-signing")
        self.recovery_arn = self._symmetric(f"{name}-recovery", "backups' copies", region=args.recovery_region)
        if args.previews:
            self.previews = PreviewKeys(
                self._symmetric(f"{name}-previews", "all of previews", *self._log_services()),
                self._signing(f"{name}-previews-signing"),
            )
        self.publish()

    def _symmetric(self, name: str, about: str, *services: Allow, region: str | None = None) -> pulumi.Output[str]:
        key = aws.kms.Key(
            name,
            description=about,
            enable_key_rotation=True,
            deletion_window_in_days=_DELETION_DAYS,
            policy=key_policy(self._args.account, *services),
            region=region,
            opts=self.kept(self._args.protect),
        )
        aws.kms.Alias(name, name=f"alias/{name}", target_key_id=key.id, region=region, opts=self.child)
        return key.arn

    def _signing(self, name: str) -> pulumi.Output[str]:
        """Makes the key that signs the ledger's digests. It is not rotated: AWS rotates only symmetric keys."""
        key = aws.kms.Key(
            name,
            description="the ledger's digests",
            key_usage="SIGN_VERIFY",
            customer_master_key_spec="ECC_NIST_P256",
            deletion_window_in_days=_DELETION_DAYS,
            policy=key_policy(self._args.account),
            opts=self.kept(self._args.protect),
        )
        aws.kms.Alias(name, name=f"alias/{name}", target_key_id=key.id, opts=self.child)
        return key.arn

    def _log_services(self) -> tuple[Allow, ...]:
        groups = pulumi.Output.concat("arn:aws:logs:", self._args.region, ":", self._args.account, ":log-group:*")
        in_groups = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}}
        logs = Allow(
            principals={"Service": f"logs.{self._args.region}.amazonaws.com"},
            actions=[*_ENCRYPT, "kms:Encrypt", "kms:ReEncrypt*", "kms:DescribeKey"],
            resources=["*"],
            conditions=in_groups,
        )
        trails = pulumi.Output.concat("arn:aws:cloudtrail:*:", self._args.account, ":trail/*")
        trail = Allow(
            principals={"Service": "cloudtrail.amazonaws.com"},
            actions=["kms:GenerateDataKey*"],
            resources=["*"],
            # CloudTrail names the trail here, and not always the account in aws:SourceAccount
            conditions={"StringLike": {"kms:EncryptionContext:aws:cloudtrail:arn": trails}},
        )
        described = Allow(
            principals={"Service": "cloudtrail.amazonaws.com"}, actions=["kms:DescribeKey"], resources=["*"]
        )
        return (logs, trail, described, *publishers(self._args.account, [*_ENCRYPT, "kms:DescribeKey"], ["*"]))


def key_policy(account: pulumi.Input[str], *services: Allow) -> pulumi.Output[str]:
    """Returns a key policy that leaves access to the account's IAM policies and adds statements for AWS services."""
    owner = Allow(
        principals={"AWS": pulumi.Output.concat("arn:aws:iam::", account, ":root")},
        actions=["kms:*"],
        resources=["*"],
    )
    return iam.document(owner, *services)
