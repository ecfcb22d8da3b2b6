"""A monthly budget that notifies an SNS topic at 80 % spent, and when the month's forecast exceeds the limit."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from cloud.component import Component


@dataclass(frozen=True, kw_only=True)
class BudgetArgs:
    """Settings of a budget for resources with `tag` (`environment$dev`), which must be active in AWS Billing."""

    monthly_usd: int
    topic_arn: pulumi.Input[str]
    tag: str


class Budget(Component):
    budget_name: pulumi.Output[str]

    def __init__(self, name: str, args: BudgetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("budget", name, opts)
        budget = aws.budgets.Budget(
            name,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(args.monthly_usd),
            limit_unit="USD",
            cost_filters=[{"name": "TagKeyValue", "values": [f"user:{args.tag}"]}],
            notifications=[_when("ACTUAL", 80.0, args.topic_arn), _when("FORECASTED", 100.0, args.topic_arn)],
            opts=self.child,
        )
        self.budget_name = budget.name
        self.publish()


def _when(kind: str, percent: float, topic_arn: pulumi.Input[str]) -> aws.budgets.BudgetNotificationArgsDict:
    return {
        "notification_type": kind,
        "comparison_operator": "GREATER_THAN",
        "threshold": percent,
        "threshold_type": "PERCENTAGE",
        "subscriber_sns_topic_arns": [topic_arn],
    }
