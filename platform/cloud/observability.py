"""Alarms on symptoms, which call a person, and one dashboard to look at first.

The sealer prints how far each part is behind. Alarms on the age of the stream's oldest record and on dead letters are
beside the functions that they are about.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from cloud.alarm import Threshold, alarm
from cloud.component import Component
from cloud.lags import LAGS
from cloud.pod_logs import BY_NAMESPACE, NAMESPACE

DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class ObservabilityArgs:
    """`dead_letters` are queues by name; `orders_target` and `balancer` are suffixes of ARNs."""

    region: str
    environment: str
    namespace: pulumi.Input[str]
    topic_arn: pulumi.Input[str]
    balancer: pulumi.Input[str]
    orders_target: pulumi.Input[str]
    nightly_function: pulumi.Input[str]
    consumer_function: pulumi.Input[str]
    ledger_identifier: pulumi.Input[str]
    stream_name: pulumi.Input[str]
    dead_letters: Mapping[str, pulumi.Input[str]]


class Observability(Component):
    dashboard_name: pulumi.Output[str]

    def __init__(self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability", name, opts)
        self._args = args
        self._orders(name)
        self._lags(name)
        self._nightly(name)
        board = aws.cloudwatch.Dashboard(
            name,
            dashboard_name=f"rewards-{args.environment}",
            dashboard_body=pulumi.Output.json_dumps({"widgets": self._widgets()}),
            opts=self.child,
        )
        self.dashboard_name = board.dashboard_name
        self.publish()

    def _orders(self, name: str) -> None:
        target = {"LoadBalancer": self._args.balancer, "TargetGroup": self._args.orders_target}
        alarm(
            f"{name}-order-errors",
            self.child,
            namespace="AWS/ApplicationELB",
            metric="HTTPCode_Target_5XX_Count",
            dimensions=target,
            threshold=Threshold(over=5, seconds=60, periods=2),
            topic_arn=self._args.topic_arn,
            about="Members can't place orders",
        )
        alarm(
            f"{name}-order-latency",
            self.child,
            namespace="AWS/ApplicationELB",
            metric="TargetResponseTime",
            dimensions=target,
            threshold=Threshold(over=1.0, seconds=60, periods=5, statistic="p99"),
            topic_arn=self._args.topic_arn,
            about="One order in a hundred takes over a second",
        )

    def _lags(self, name: str) -> None:
        """A missing figure rings too: whoever prints it may be dead or have no database."""
        for lag, figure in LAGS.items():
            alarm(
                f"{name}-{lag}",
                self.child,
                namespace=NAMESPACE,
                metric=figure.metric,
                dimensions={BY_NAMESPACE: self._args.namespace},
                threshold=Threshold(
                    over=figure.late_seconds, seconds=60, periods=3, statistic="Maximum", silence="breaching"
                ),
                topic_arn=self._args.topic_arn,
                about=figure.about,
            )

    def _figure(self, lag: str) -> list[Any]:
        return [NAMESPACE, LAGS[lag].metric, BY_NAMESPACE, self._args.namespace]

    def _nightly(self, name: str) -> None:
        alarm(
            f"{name}-nightly-late",
            self.child,
            namespace="AWS/Lambda",
            metric="Invocations",
            dimensions={"FunctionName": self._args.nightly_function},
            threshold=Threshold(over=1, seconds=DAY, under=True, silence="breaching"),
            topic_arn=self._args.topic_arn,
            about="No nightly calculation for a day: points that are due are not confirmed",
        )

    def _widgets(self) -> list[dict[str, Any]]:
        args = self._args
        balancer = ["LoadBalancer", args.balancer]
        orders = [*balancer, "TargetGroup", args.orders_target]
        rows: list[tuple[str, str, list[list[Any]]]] = [
            ("Requests", "Sum", [["AWS/ApplicationELB", "RequestCount", *balancer]]),
            ("Orders: errors", "Sum", [["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", *orders]]),
            ("Orders: seconds, p99", "p99", [["AWS/ApplicationELB", "TargetResponseTime", *orders]]),
            ("Behind, seconds", "Maximum", [self._figure(lag) for lag in ("seal-lag", "publish-lag", "consume-lag")]),
            ("Last digest, seconds ago", "Maximum", [self._figure("digest-age")]),
            ("Consumer behind, ms", "Maximum", [["AWS/Lambda", "IteratorAge", "FunctionName", args.consumer_function]]),
            ("Stream in, bytes", "Sum", [["AWS/Kinesis", "IncomingBytes", "StreamName", args.stream_name]]),
            ("Nightly runs", "Sum", [["AWS/Lambda", "Invocations", "FunctionName", args.nightly_function]]),
            (
                "Ledger, capacity units",
                "Average",
                [["AWS/RDS", "ServerlessDatabaseCapacity", "DBClusterIdentifier", args.ledger_identifier]],
            ),
            (
                "Dead letters",
                "Maximum",
                [
                    ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue]
                    for queue in args.dead_letters.values()
                ],
            ),
        ]
        return [self._widget(order, *row) for order, row in enumerate(rows)]

    def _widget(self, order: int, title: str, statistic: str, metrics: list[list[Any]]) -> dict[str, Any]:
        shown = {"title": title, "stat": statistic, "metrics": metrics, "region": self._args.region, "period": 60}
        place = {"x": order % 3 * 8, "y": order // 3 * 6, "width": 8, "height": 6}
        return {"type": "metric", **place, "properties": {**shown, "view": "timeSeries"}}
