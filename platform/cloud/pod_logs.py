"""The pods' log groups, encrypted and with an end, and the metrics that are read from them.

The CloudWatch add-on would make these groups itself, unencrypted and without an end. Its Fluent Bit wraps each line
(`log_processed`), so CloudWatch does not see the embedded metrics that the application prints: filters extract those
that alarms need, by namespace, so that a preview's figures do not count for its environment.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import logs
from cloud.component import Component

NAMESPACE = "Rewards"


@dataclass(frozen=True, kw_only=True)
class Lag:
    """A delay in seconds that the sealer prints every minute, and the threshold of its alarm."""

    metric: str
    late_seconds: int
    about: str


LAGS = {
    "seal-lag": Lag(
        metric="SealLagSeconds", late_seconds=30, about="Revisions are not sealed: they can't be proved yet"
    ),
    "publish-lag": Lag(
        metric="PublishLagSeconds", late_seconds=60, about="Blocks do not reach the stream: insights stand still"
    ),
    "consume-lag": Lag(
        metric="ConsumeLagSeconds", late_seconds=120, about="The stream is not taken in: insights stand still"
    ),
    "night-age": Lag(
        metric="NightAgeSeconds", late_seconds=26 * 3600, about="The night was not calculated: points are not confirmed"
    ),
    "digest-age": Lag(
        metric="DigestAgeSeconds", late_seconds=900, about="No digest was anchored: a cut journal would go unnoticed"
    ),
}
BY_NAMESPACE = "Namespace"
_KINDS = ("application", "dataplane", "host", "performance")


@dataclass(frozen=True, kw_only=True)
class PodLogsArgs:
    cluster_name: str
    logs_key_arn: pulumi.Input[str]


class PodLogs(Component):
    """The add-on must start after `groups` exist."""

    application_group: pulumi.Output[str]
    groups: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: PodLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability", name, opts)
        log_groups = {
            kind: logs.log_group(
                f"{name}-{kind}",
                self.child,
                key_arn=args.logs_key_arn,
                named=f"/aws/containerinsights/{args.cluster_name}/{kind}",
            )
            for kind in _KINDS
        }
        for lag, figure in LAGS.items():
            aws.cloudwatch.LogMetricFilter(
                f"{name}-{lag}",
                log_group_name=log_groups["application"].name,
                pattern=f"{{ $.log_processed.{figure.metric} = * }}",
                metric_transformation={
                    "namespace": NAMESPACE,
                    "name": figure.metric,
                    "value": f"$.log_processed.{figure.metric}",
                    "unit": "Seconds",
                    "dimensions": {BY_NAMESPACE: "$.kubernetes.namespace_name"},
                },
                opts=self.child,
            )
        self.application_group = log_groups["application"].name
        self.groups = list(log_groups.values())
        self.register_outputs({"application_group": self.application_group})
