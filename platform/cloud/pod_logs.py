"""The log groups of the cluster's pods, encrypted and with a retention, and metric filters on them.

The CloudWatch add-on would make these groups itself, unencrypted and without retention. Its Fluent Bit wraps each line
in `log_processed`, so CloudWatch does not see the embedded metrics that the application prints. Metric filters extract
those that alarms use, with the Kubernetes namespace as a dimension: a preview's metrics do not count for dev.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import logs
from cloud.component import Component
from cloud.lags import LAGS

NAMESPACE = "Rewards"
BY_NAMESPACE = "Namespace"
_KINDS = ("application", "dataplane", "host", "performance")


@dataclass(frozen=True, kw_only=True)
class PodLogsArgs:
    cluster_name: str
    logs_key_arn: pulumi.Input[str]


class PodLogs(Component):
    """The pods' log groups and metric filters. The cluster's CloudWatch add-on must be made after `groups`."""

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
