"""An alarm: one metric, one threshold, one topic that is notified when it rings and when it ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Rings when the metric is above `over` for `periods` of `seconds`. `under` rings when it is below.

    `silence` is how to treat missing data: counts of errors are missing when all is well, a heartbeat when it is not.
    """

    over: float
    seconds: int
    periods: int = 1
    statistic: str = "Sum"
    under: bool = False
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
    """Give a name in `named` only where another account refers to the alarm."""
    percentile = threshold.statistic.startswith("p")
    return aws.cloudwatch.MetricAlarm(
        name,
        name=named,
        namespace=namespace,
        metric_name=metric,
        dimensions=dimensions,
        statistic=None if percentile else threshold.statistic,
        extended_statistic=threshold.statistic if percentile else None,
        comparison_operator="LessThanThreshold" if threshold.under else "GreaterThanThreshold",
        threshold=threshold.over,
        period=threshold.seconds,
        evaluation_periods=threshold.periods,
        treat_missing_data=threshold.silence,
        alarm_description=about or name,
        alarm_actions=[topic_arn],
        ok_actions=[topic_arn],
        opts=opts,
    )
