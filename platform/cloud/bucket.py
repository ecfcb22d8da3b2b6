"""The component of a private S3 bucket: versioned, encrypted, TLS only, with access logs and a lifecycle.

Controls: S3.1 and S3.8 (no public access), S3.5 (TLS), S3.9 (access logs), S3.10 and S3.13 (lifecycle), S3.12 (no
ACLs), S3.14 (versions), S3.15 (Object Lock), S3.17 (KMS). MFA delete is left out: only the root user can set it.
CKV_AWS_144 (replication) is left out: AWS Backup copies archive and exports to a second region (`cloud.backup`). The
other buckets only hold objects that expire: logs, build artifacts, vendors' files that were read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam
from cloud.component import Component
from cloud.iam import Allow

# Days after which a version is deleted that another replaced, or that was deleted.
_OLD_DAYS = 90


@dataclass(frozen=True, kw_only=True)
class BucketArgs:
    """Settings of a bucket. `prefix` has at most 37 characters: S3 allows 63 in a bucket's name, and Pulumi adds 26.

    An object moves to Glacier Instant Retrieval `colder_after_days` after its creation. It is deleted
    `expire_after_days` after it, and its version stays as long again, at most 90 days. For `locked_days` nobody, root
    included, can delete it (Object Lock in compliance mode). `key_arn` None means S3's own key, which access logs
    require. The SNS topic `topic_arn` gets a message for each object that somebody deletes or hides by a delete marker,
    but not for objects that expire; None (CKV2_AWS_62) is for buckets where the application itself deletes objects.
    `grants` takes the bucket's ARN and returns further statements for the bucket's policy.
    """

    prefix: str
    key_arn: pulumi.Input[str] | None
    log_bucket: pulumi.Input[str] | None
    protect: bool = True
    expire_after_days: int | None = None
    colder_after_days: int | None = None
    locked_days: int | None = None
    topic_arn: pulumi.Input[str] | None = None
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
        if args.topic_arn is not None:
            deleted: aws.s3.BucketNotificationTopicArgsDict = {
                "topic_arn": args.topic_arn,
                "events": ["s3:ObjectRemoved:*"],
            }
            aws.s3.BucketNotification(name, bucket=bucket.id, topics=[deleted], opts=self.child)
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
            algorithm = {"sse_algorithm": "AES256"}  # CKV_AWS_145: S3 delivers no access logs to a bucket under KMS
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
            "noncurrent_version_expiration": {"noncurrent_days": min(args.expire_after_days or _OLD_DAYS, _OLD_DAYS)},
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
