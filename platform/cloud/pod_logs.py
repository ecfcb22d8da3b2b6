"""What pods print: log groups that are encrypted and end, and the figure that is read out of them.

The CloudWatch add-on would make these groups itself, in the clear and for ever. Its Fluent Bit wraps each line
(`log_processed`), so CloudWatch does not see the embedded metrics that the application prints: a filter reads the one
that an alarm needs, by namespace, so that a preview does not speak for its environment.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud import logs
from cloud.component import Component

NAMESPACE = "Rewards"
# Seconds that the oldest committed revision has waited to be sealed; the sealer prints it every minute.
SEAL_LAG = "SealLagSeconds"
BY_NAMESPACE = "Namespace"
_KINDS = ("application", "dataplane", "host", "performance")


@dataclass(frozen=True, kw_only=True)
class PodLogsArgs:
    cluster_name: str
    logs_key_arn: pulumi.Input[str]


class PodLogs(Component):
    """`groups` must be there before the add-on runs."""

    application_group: pulumi.Output[str]
    groups: Sequence[pulumi.Resource]

    def __init__(self, name: str, args: PodLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability", name, opts)
        made = {
            kind: logs.log_group(
                f"{name}-{kind}",
                self.child,
                key_arn=args.logs_key_arn,
                named=f"/aws/containerinsights/{args.cluster_name}/{kind}",
            )
            for kind in _KINDS
        }
        aws.cloudwatch.LogMetricFilter(
            f"{name}-seal-lag",
            log_group_name=made["application"].name,
            pattern=f"{{ $.log_processed.{SEAL_LAG} = * }}",
            metric_transformation={
                "namespace": NAMESPACE,
                "name": SEAL_LAG,
                "value": f"$.log_processed.{SEAL_LAG}",
                "unit": "Seconds",
                "dimensions": {BY_NAMESPACE: "$.kubernetes.namespace_name"},
            },
            opts=self.child,
        )
        self.application_group = made["application"].name
        self.groups = list(made.values())
        self.register_outputs({"application_group": self.application_group})
