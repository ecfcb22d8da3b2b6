"""Backups that even an intruder with all rights cannot delete, with copies in a second region (RDS.26).

Daily backups are kept for `kept_days`, monthly ones for a year. Each is copied to the vault in the recovery region. If
`locked`, nobody, root included, can shorten the retention from the vault's fourth day on (compliance mode).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.component import Component

_POLICIES = "arn:aws:iam::aws:policy/"
_YEAR = 365


@dataclass(frozen=True, kw_only=True)
class BackupArgs:
    account: pulumi.Input[str]
    key_arn: pulumi.Input[str]
    recovery_region: str
    recovery_key_arn: pulumi.Input[str]
    resources: Sequence[pulumi.Input[str]]
    topic_arn: pulumi.Input[str]
    kept_days: int = 35
    locked: bool = True


class Backup(Component):
    vault_name: pulumi.Output[str]
    recovery_vault_arn: pulumi.Output[str]

    def __init__(self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("backup", name, opts)
        self._args = args
        vault = self._vault(name, args.key_arn, None)
        recovery = self._vault(f"{name}-recovery", args.recovery_key_arn, args.recovery_region)
        plan = self._plan(name, vault, recovery)
        keeper = iam.role(
            name,
            self.child,
            assumed_by=iam.trust("backup.amazonaws.com", args.account),
            managed=[
                f"{_POLICIES}service-role/AWSBackupServiceRolePolicyForBackup",
                f"{_POLICIES}service-role/AWSBackupServiceRolePolicyForRestores",
                f"{_POLICIES}AWSBackupServiceRolePolicyForS3Backup",
            ],
        )
        aws.backup.Selection(name, plan_id=plan.id, iam_role_arn=keeper.arn, resources=args.resources, opts=self.child)
        aws.backup.VaultNotifications(
            name,
            backup_vault_name=vault.name,
            sns_topic_arn=args.topic_arn,
            backup_vault_events=["BACKUP_JOB_COMPLETED", "COPY_JOB_FAILED", "RESTORE_JOB_COMPLETED"],
            opts=self.child,
        )
        self.vault_name, self.recovery_vault_arn = vault.name, recovery.arn
        self.publish()

    def _vault(self, name: str, key_arn: pulumi.Input[str], region: str | None) -> aws.backup.Vault:
        vault = aws.backup.Vault(
            name,
            kms_key_arn=key_arn,
            region=region,
            force_destroy=not self._args.locked,
            opts=self.kept(self._args.locked),
        )
        aws.backup.VaultLockConfiguration(
            name,
            backup_vault_name=vault.name,
            changeable_for_days=3 if self._args.locked else None,
            min_retention_days=1,
            max_retention_days=_YEAR,
            region=region,
            opts=self.child,
        )
        return vault

    def _plan(self, name: str, vault: aws.backup.Vault, recovery: aws.backup.Vault) -> aws.backup.Plan:
        def rule(called: str, schedule: str, days: int) -> aws.backup.PlanRuleArgsDict:
            return {
                "rule_name": called,
                "target_vault_name": vault.name,
                "schedule": schedule,
                "lifecycle": {"delete_after": days},
                "copy_actions": [{"destination_vault_arn": recovery.arn, "lifecycle": {"delete_after": days}}],
            }

        rules = [
            rule("daily", "cron(0 6 * * ? *)", self._args.kept_days),
            rule("monthly", "cron(0 5 1 * ? *)", _YEAR),
        ]
        return aws.backup.Plan(name, rules=rules, opts=self.child)
