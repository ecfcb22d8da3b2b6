"""Alarms on symptoms that members or analysts would notice, and one dashboard to look at first.

Other components make the alarms on the age of the stream's oldest unread record (cloud.consumer) and on dead letters
(cloud.dead_letters).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pulumi
import pulumi_aws as aws

from cloud.alarm import Threshold, alarm
from cloud.component import Component
from cloud.lags import LAGS, Lag
from cloud.pod_logs import BY_NAMESPACE, NAMESPACE


@dataclass(frozen=True, kw_only=True)
class ObservabilityArgs:
    """Settings of alarms and dashboard. `balancer` and `orders_target` are ARN suffixes, as in CloudWatch's metrics.

    Alarms that a missing figure starts are made once there is code that reports it (`pods_run`, `functions_run`).
    """

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
    pods_run: bool = True
    functions_run: bool = True


class Observability(Component):
    dashboard_name: pulumi.Output[str]

    def __init__(self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability", name, opts)
        self._args = args
        self._alarms(name)
        board = aws.cloudwatch.Dashboard(
            name,
            dashboard_name=f"rewards-{args.environment}",
            dashboard_body=pulumi.Output.json_dumps({"widgets": self._widgets()}),
            opts=self.child,
        )
        self.dashboard_name = board.dashboard_name
        self.publish()

    def _alarms(self, name: str) -> None:
        """Makes the alarms, each with its actions on.

        Those on orders start only with data, and the balancer has none of a target group without pods. Those on the
        ledger sealer's delays also start without data, because the sealer may be down: before the first delivery,
        when nothing reports yet, they would start at once, so they are not made.
        """
        args = self._args
        notify = partial(alarm, opts=self.child, topic_arn=args.topic_arn)
        orders = {"LoadBalancer": args.balancer, "TargetGroup": args.orders_target}
        notify(
            f"{name}-order-errors",
            namespace="AWS/ApplicationELB",
            metric="HTTPCode_Target_5XX_Count",
            dimensions=orders,
            threshold=Threshold(over=5, seconds=60, periods=2),
            about="Members can't place orders",
        )
        notify(
            f"{name}-order-latency",
            namespace="AWS/ApplicationELB",
            metric="TargetResponseTime",
            dimensions=orders,
            threshold=Threshold(over=1.0, seconds=60, periods=5, statistic="p99"),
            about="One order in a hundred takes over a second",
        )
        late = partial(Threshold, seconds=60, periods=3, statistic="Maximum", silence="breaching")
        for lag, figure in self._reported().items():
            notify(
                f"{name}-{lag}",
                namespace=NAMESPACE,
                metric=figure.metric,
                dimensions={BY_NAMESPACE: args.namespace},
                threshold=late(over=figure.late_seconds),
                about=figure.about,
            )

    def _reported(self) -> dict[str, Lag]:
        """Returns the lags that what was delivered reports and can keep low."""
        if not self._args.pods_run:
            return {}
        return {lag: figure for lag, figure in LAGS.items() if figure.of_pods or self._args.functions_run}

    def _figure(self, lag: str) -> list[Any]:
        return [NAMESPACE, LAGS[lag].metric, BY_NAMESPACE, self._args.namespace]

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
