"""The account's audit trail (CloudTrail), and account-wide security defaults.

Controls: CloudTrail.1, .2, .4, .5, .6, .7; EC2.7 (disks encrypted), EC2.8 (IMDSv2) and AutoScaling.4 (one hop) for
every instance; S3.1 for the whole account; IAM.28 (access analyzer). One environment has one account.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import iam, logs
from cloud.bucket import Bucket, BucketArgs
from cloud.component import Component
from cloud.iam import Allow

_SEVEN_YEARS = 2_557


@dataclass(frozen=True, kw_only=True)
class AuditArgs:
    """Settings of the audit trail. It records access to objects in buckets whose names begin as `watched_buckets` list.

    The SNS topic `topic_arn` gets a message for each deleted log file.
    """

    region: str
    account: pulumi.Input[str]
    logs_key_arn: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    prefix: str
    watched_buckets: Sequence[str]
    protect: bool = True


class Audit(Component):
    access_log_bucket: pulumi.Output[str]
    trail_arn: pulumi.Output[str]

    def __init__(self, name: str, args: AuditArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("audit", name, opts)
        self._args = args
        access_logs = self._access_logs(name)
        self.access_log_bucket = access_logs.id
        self.trail_arn = self._trail(name, access_logs)
        self._account_defaults(name)
        self.publish()

    def _access_logs(self, name: str) -> Bucket:
        """Makes the bucket for access logs of S3 and load balancers, which customer-managed keys can't encrypt."""

        def writers(arn: pulumi.Output[str]) -> list[Allow]:
            buckets = Allow(
                principals={"Service": "logging.s3.amazonaws.com"},
                actions=["s3:PutObject"],
                resources=[pulumi.Output.concat(arn, "/s3/*")],
                conditions=iam.owned_by(self._args.account),
            )
            # No condition: load balancers bring no aws:SourceAccount. They write to their own account's folder only.
            balancers = Allow(
                principals={"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
                actions=["s3:PutObject"],
                resources=[pulumi.Output.concat(arn, "/alb/AWSLogs/", self._args.account, "/*")],
            )
            return [buckets, balancers]

        return Bucket(
            f"{name}-access-logs",
            BucketArgs(
                prefix=f"{self._args.prefix}-access-logs-",
                key_arn=None,
                log_bucket=None,
                protect=self._args.protect,
                expire_after_days=logs.KEPT_DAYS,
                topic_arn=self._args.topic_arn,
                grants=writers,
            ),
            self.child,
        )

    def _trail(self, name: str, access_logs: Bucket) -> pulumi.Output[str]:
        arn = pulumi.Output.concat(
            "arn:aws:cloudtrail:", self._args.region, ":", self._args.account, f":trail/{self._args.prefix}"
        )
        bucket = self._trail_bucket(name, access_logs, arn)
        group = logs.log_group(f"{name}-trail", self.child, key_arn=self._args.logs_key_arn)
        writer = iam.role(
            f"{name}-trail",
            self.child,
            assumed_by=iam.trust("cloudtrail.amazonaws.com", self._args.account),
            may=[logs.writing(group.arn)],
        )
        # CKV_AWS_252: a message for each log file would tell nobody anything; the log group has the events themselves.
        trail = aws.cloudtrail.Trail(
            name,
            name=self._args.prefix,  # the policies of bucket and key name it before it exists
            s3_bucket_name=bucket.id,
            kms_key_id=self._args.logs_key_arn,
            cloud_watch_logs_group_arn=pulumi.Output.concat(group.arn, ":*"),
            cloud_watch_logs_role_arn=writer.arn,
            is_multi_region_trail=True,
            include_global_service_events=True,
            enable_log_file_validation=True,
            advanced_event_selectors=[
                {"name": "management", "field_selectors": [{"field": "eventCategory", "equals": ["Management"]}]},
                {"name": "objects", "field_selectors": self._watched()},
            ],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[bucket]),
        )
        return trail.arn

    def _watched(self) -> list[aws.cloudtrail.TrailAdvancedEventSelectorFieldSelectorArgsDict]:
        return [
            {"field": "eventCategory", "equals": ["Data"]},
            {"field": "resources.type", "equals": ["AWS::S3::Object"]},
            {
                "field": "resources.ARN",
                "starts_withs": [f"arn:aws:s3:::{prefix}" for prefix in self._args.watched_buckets],
            },
        ]

    def _trail_bucket(self, name: str, access_logs: Bucket, trail_arn: pulumi.Output[str]) -> Bucket:
        from_trail = {"StringEquals": {"aws:SourceArn": trail_arn}}

        def writers(arn: pulumi.Output[str]) -> list[Allow]:
            trail = {"Service": "cloudtrail.amazonaws.com"}
            folder = pulumi.Output.concat(arn, "/AWSLogs/", self._args.account, "/*")
            return [
                Allow(principals=trail, actions=["s3:GetBucketAcl"], resources=[arn], conditions=from_trail),
                Allow(principals=trail, actions=["s3:PutObject"], resources=[folder], conditions=from_trail),
            ]

        return Bucket(
            f"{name}-trail",
            BucketArgs(
                prefix=f"{self._args.prefix}-trail-",
                key_arn=self._args.logs_key_arn,
                log_bucket=access_logs.id,
                protect=self._args.protect,
                colder_after_days=90,
                expire_after_days=_SEVEN_YEARS,
                topic_arn=self._args.topic_arn,
                grants=writers,
            ),
            self.child,
        )

    def _account_defaults(self, name: str) -> None:
        # Under AWS's own key: every role that starts instances, EKS Auto Mode's too, would need a grant on one of ours.
        aws.ebs.EncryptionByDefault(name, enabled=True, opts=self.child)
        aws.ec2.InstanceMetadataDefaults(
            name, http_tokens="required", http_put_response_hop_limit=1, http_endpoint="enabled", opts=self.child
        )
        aws.s3.AccountPublicAccessBlock(
            name,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self.child,
        )
        aws.accessanalyzer.Analyzer(name, analyzer_name=self._args.prefix, opts=self.child)
