"""The artifact store of pipelines: a bucket with its own KMS key, shared with the accounts that they deliver to."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud.bucket import Bucket, BucketArgs
from cloud.component import Component
from cloud.iam import Allow
from cloud.keys import key_policy
from pipelines.target import Text

# Days in which an execution can be rolled back to; Lambda and ECR keep the zips and images themselves.
_KEPT_DAYS = 90
_USING_KEY = ("kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey")
_READING, _WRITING = ("s3:GetObject", "s3:GetObjectVersion"), ("s3:PutObject",)


@dataclass(frozen=True, kw_only=True)
class Store:
    """An artifact store's bucket and KMS key; `bucket`, the bucket's name, is None if another account owns it."""

    bucket_arn: Text
    key_arn: Text
    bucket: Text | None = None

    def used(self, *, written: bool = True) -> list[Allow]:
        """Returns IAM permissions to read the store's artifacts and, if `written`, to store new ones."""
        objects = pulumi.Output.concat(self.bucket_arn, "/*")
        return [
            Allow(actions=[*_READING, *(_WRITING if written else ())], resources=[objects]),
            Allow(actions=["s3:GetBucketLocation", "s3:GetBucketVersioning"], resources=[self.bucket_arn]),
            Allow(actions=_USING_KEY, resources=[self.key_arn]),
        ]


def prefix(environment: str) -> str:
    """Returns the prefix of the artifact bucket's name, by which other accounts' policies refer to the bucket."""
    return f"rewards-{environment}-artifacts-"


@dataclass(frozen=True, kw_only=True)
class ArtifactsArgs:
    """Settings of an artifact store. `readers` are other accounts that may read and write artifacts.

    The SNS topic `topic_arn` gets a message for each deleted artifact.
    """

    environment: str
    account: Text
    readers: Sequence[Text]
    log_bucket: Text
    topic_arn: Text
    protect: bool = True


class Artifacts(Component):
    bucket: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]
    key_arn: pulumi.Output[str]

    def __init__(self, name: str, args: ArtifactsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("delivery", name, opts)
        others = [pulumi.Output.concat("arn:aws:iam::", account, ":root") for account in args.readers]
        using = [Allow(principals={"AWS": other}, actions=_USING_KEY, resources=["*"]) for other in others]
        key = aws.kms.Key(
            name,
            description="what pipelines pass from stage to stage",
            enable_key_rotation=True,
            deletion_window_in_days=30,
            policy=key_policy(args.account, *using),
            opts=self.kept(args.protect),
        )
        aws.kms.Alias(name, name=f"alias/{name}", target_key_id=key.id, opts=self.child)
        bucket = Bucket(
            name,
            BucketArgs(
                prefix=prefix(args.environment),
                key_arn=key.arn,
                log_bucket=args.log_bucket,
                protect=args.protect,
                expire_after_days=_KEPT_DAYS,
                topic_arn=args.topic_arn,
                grants=lambda arn: [
                    Allow(
                        principals={"AWS": other},
                        actions=[*_READING, *_WRITING],
                        resources=[pulumi.Output.concat(arn, "/*")],
                    )
                    for other in others
                ],
            ),
            self.child,
        )
        self.bucket, self.bucket_arn, self.key_arn = bucket.id, bucket.arn, key.arn
        self.publish()

    @property
    def store(self) -> Store:
        return Store(bucket_arn=self.bucket_arn, key_arn=self.key_arn, bucket=self.bucket)
