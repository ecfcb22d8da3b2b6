"""A private bucket: versioned, encrypted, TLS only, with access logs and a lifecycle.

Controls: S3.1 and S3.8 (no public access), S3.5 (TLS), S3.9 (access logs), S3.10 and S3.13 (lifecycle), S3.12 (no
ACLs), S3.14 (versions), S3.15 (Object Lock), S3.17 (KMS). MFA delete is left out: only the root user can set it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.component import Component
from cloud.iam import Allow


@dataclass(frozen=True, kw_only=True)
class BucketArgs:
    """`prefix` has at most 37 characters: S3 allows 63 in a bucket's name, and Pulumi adds 26.

    Days count from an object's creation; `colder_after_days` moves it to Glacier Instant Retrieval.

    `key_arn` None means S3's own key: access logs can be delivered to no other. `locked_days` sets Object Lock in
    compliance mode, which nobody can shorten, root included: only for what must outlive an intruder. `grants` returns
    further policy statements for the bucket's ARN.
    """

    prefix: str
    key_arn: pulumi.Input[str] | None
    log_bucket: pulumi.Input[str] | None
    protect: bool = True
    expire_after_days: int | None = None
    colder_after_days: int | None = None
    locked_days: int | None = None
    grants: Callable[[pulumi.Output[str]], Sequence[Allow]] = lambda _arn: ()


class Bucket(Component):
    id: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: BucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("storage", name, opts)
        bucket = aws.s3.Bucket(
            name,
            bucket_prefix=args.prefix,
            object_lock_enabled=args.locked_days is not None,
            force_destroy=not args.protect,  # locked objects stay until their retention ends
            opts=self.kept(args.protect),
        )
        self._name, self._bucket = name, bucket
        self.id, self.arn = bucket.id, bucket.arn
        self._close(args)
        self._encrypt(args)
        self._age(args)
        if args.locked_days is not None:
            self._lock(args.locked_days)
        if args.log_bucket is not None:
            aws.s3.BucketLogging(
                name, bucket=bucket.id, target_bucket=args.log_bucket, target_prefix=f"s3/{name}/", opts=self.child
            )
        self.publish()

    def _close(self, args: BucketArgs) -> None:
        closed = aws.s3.BucketPublicAccessBlock(
            self._name,
            bucket=self.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.child,
        )
        aws.s3.BucketOwnershipControls(
            self._name, bucket=self.id, rule={"object_ownership": "BucketOwnerEnforced"}, opts=self.child
        )
        inside = pulumi.Output.concat(self.arn, "/*")
        aws.s3.BucketPolicy(
            self._name,
            bucket=self.id,
            policy=iam.document(iam.tls_only("s3", self.arn, inside), *args.grants(self.arn)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[closed]),
        )

    def _encrypt(self, args: BucketArgs) -> None:
        algorithm: aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgsDict
        if args.key_arn is None:
            algorithm = {"sse_algorithm": "AES256"}
        else:
            algorithm = {"sse_algorithm": "aws:kms", "kms_master_key_id": args.key_arn}
        aws.s3.BucketServerSideEncryptionConfiguration(
            self._name,
            bucket=self.id,
            rules=[
                {
                    "apply_server_side_encryption_by_default": algorithm,
                    "bucket_key_enabled": args.key_arn is not None,  # one call to KMS an hour, not one an object
                }
            ],
            opts=self.child,
        )

    def _age(self, args: BucketArgs) -> None:
        versions = aws.s3.BucketVersioning(
            self._name, bucket=self.id, versioning_configuration={"status": "Enabled"}, opts=self.child
        )
        rule: aws.s3.BucketLifecycleConfigurationRuleArgsDict = {
            "id": "age",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
            "noncurrent_version_expiration": {"noncurrent_days": 90},
        }
        if args.expire_after_days is not None:
            rule["expiration"] = {"days": args.expire_after_days}
        if args.colder_after_days is not None:
            rule["transitions"] = [{"days": args.colder_after_days, "storage_class": "GLACIER_IR"}]
        aws.s3.BucketLifecycleConfiguration(
            self._name,
            bucket=self.id,
            rules=[rule],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versions]),
        )

    def _lock(self, days: int) -> None:
        aws.s3.BucketObjectLockConfiguration(
            self._name,
            bucket=self.id,
            object_lock_enabled="Enabled",
            rule={"default_retention": {"mode": "COMPLIANCE", "days": days}},
            opts=self.child,
        )
