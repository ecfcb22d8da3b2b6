"""CloudWatch alarms on one metric and threshold; they notify an SNS topic when they start and when they end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """When an alarm starts: its metric is above `over` for `periods` of `seconds` each.

    `silence` says how missing data count: `notBreaching` for counts of errors, `breaching` for a regular heartbeat.
    """

    over: float
    seconds: int
    periods: int = 1
    statistic: str = "Sum"
    silence: Literal["notBreaching", "breaching"] = "notBreaching"


def alarm(
    name: str,
    opts: pulumi.ResourceOptions,
    *,
    namespace: str,
    metric: str,
    dimensions: Mapping[str, pulumi.Input[str]],
    threshold: Threshold,
    topic_arn: pulumi.Input[str],
    about: str | None = None,
    named: str | None = None,
) -> aws.cloudwatch.MetricAlarm:
    """Makes a CloudWatch alarm. `named` sets its name in AWS, which only alarms that other accounts refer to need."""
    percentile = threshold.statistic.startswith("p")
    return aws.cloudwatch.MetricAlarm(
        name,
        name=named,
        namespace=namespace,
        metric_name=metric,
        dimensions=dimensions,
        statistic=None if percentile else threshold.statistic,
        extended_statistic=threshold.statistic if percentile else None,
        comparison_operator="GreaterThanThreshold",
        threshold=threshold.over,
        period=threshold.seconds,
        evaluation_periods=threshold.periods,
        treat_missing_data=threshold.silence,
        alarm_description=about or name,
        alarm_actions=[topic_arn],
        ok_actions=[topic_arn],
        opts=opts,
    )
