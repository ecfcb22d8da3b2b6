"""The apps layer: the services' pods, the functions with their triggers, alarms. A preview is one more apps stack."""

import pulumi

from cloud.budget import Budget, BudgetArgs
from cloud.observability import Observability, ObservabilityArgs
from stacks import functions, services
from stacks.context import Context, Exports
from stacks.runtime import Runtime

# For a month, though a preview lives for days.
PREVIEW_BUDGET_USD = 50


def layer(context: Context) -> Exports:
    settings = context.settings
    runtime = Runtime.of(context)
    if not runtime.is_delivered:
        pulumi.log.warn("no image was named (rewards:imageDigest): pods begin when the pipeline delivers one")
    migration = services.migrate(runtime)
    targets = services.deploy(runtime, migration)
    lambdas = functions.deploy(runtime, migration)
    topic = runtime.base.text("alertsTopicArn")
    board = Observability(
        "rewards",
        ObservabilityArgs(
            region=settings.region,
            environment=settings.environment,
            namespace=runtime.namespace,
            topic_arn=topic,
            balancer=runtime.cluster.text("loadBalancerSuffix"),
            orders_target=targets["orders"],
            nightly_function=lambdas["nightly-rewards"].function_name,
            consumer_function=lambdas["journal-insights"].function_name,
            ledger_identifier=runtime.data.text("ledgerIdentifier"),
            stream_name=runtime.stream_name,
            dead_letters={name: function.dead_letter_name for name, function in lambdas.items()},
        ),
        context.opts,
    )
    if settings.is_preview:
        tag = f"environment${settings.environment}"
        Budget("preview", BudgetArgs(monthly_usd=PREVIEW_BUDGET_USD, topic_arn=topic, tag=tag), context.opts)
    return {
        "address": f"https://{runtime.host}",
        "namespace": runtime.namespace,
        "dashboard": board.dashboard_name,
        **({"expires": settings.expires} if settings.is_preview else {}),
        "functions": {name: function.function_name for name, function in lambdas.items()},
    }
