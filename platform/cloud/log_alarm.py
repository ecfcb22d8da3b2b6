"""An alarm on a line of a function's log: a metric filter counts it. For what is no error, yet somebody should know."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud.alarm import Threshold, alarm
from cloud.component import Component
from cloud.pod_logs import NAMESPACE


@dataclass(frozen=True, kw_only=True)
class LogAlarmArgs:
    """The `line` whose words are looked for in the log group, and the name that the metric that counts it gets."""

    log_group_name: pulumi.Input[str]
    line: str
    metric: str
    topic_arn: pulumi.Input[str]
    about: str
    seconds: int = 300


class LogAlarm(Component):
    """Starts with the first such line and ends when there was none for `seconds`."""

    metric: pulumi.Output[str]

    def __init__(self, name: str, args: LogAlarmArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability", name, opts)
        counted = aws.cloudwatch.LogMetricFilter(
            name,
            log_group_name=args.log_group_name,
            pattern=f'"{args.line}"',
            metric_transformation={"namespace": NAMESPACE, "name": args.metric, "value": "1", "unit": "Count"},
            opts=self.child,
        )
        alarm(
            name,
            pulumi.ResourceOptions(parent=self, depends_on=[counted]),
            namespace=NAMESPACE,
            metric=args.metric,
            dimensions={},
            threshold=Threshold(over=0, seconds=args.seconds),
            topic_arn=args.topic_arn,
            about=args.about,
        )
        self.metric = pulumi.Output.from_input(args.metric)
        self.publish()
