"""CloudWatch log groups, encrypted and kept for a year (CKV_AWS_158, CKV_AWS_338; CloudTrail.5)."""

import pulumi
import pulumi_aws as aws

from cloud.iam import Allow

# CloudWatch Logs takes only certain numbers of days; 400 is the first over a year.
KEPT_DAYS = 400


def log_group(
    name: str, opts: pulumi.ResourceOptions, *, key_arn: pulumi.Input[str], named: pulumi.Input[str] | None = None
) -> aws.cloudwatch.LogGroup:
    """Makes a log group. `named` is its name in AWS, needed only where an AWS service prescribes the name."""
    return aws.cloudwatch.LogGroup(name, name=named, kms_key_id=key_arn, retention_in_days=KEPT_DAYS, opts=opts)


def writing(group_arn: pulumi.Input[str]) -> Allow:
    """Returns the permission to write to one log group."""
    streams = pulumi.Output.concat(group_arn, ":*")
    return Allow(
        actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
        resources=[group_arn, streams],
    )
