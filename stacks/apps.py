"""The apps layer: pods, functions with their triggers, alarms. A pull request's preview is another stack of it."""

import pulumi

from app.processes import CARE
from cloud.budget import Budget, BudgetArgs
from cloud.observability import Observability, ObservabilityArgs
from cloud.signing import Signing, SigningArgs
from pipelines.preview import BUDGET_USD
from stacks import care, functions, hosting, services
from stacks.context import Context, Exports
from stacks.runtime import Runtime


def layer(context: Context) -> Exports:
    settings = context.settings
    runtime = Runtime.of(context)
    if not runtime.is_delivered:
        pulumi.log.warn(
            "no image was delivered or named (rewards:imageDigest): pods begin when the pipeline delivers one"
        )
    if not runtime.functions_run:
        pulumi.log.warn(
            "no functions were delivered: the stream's consumer and alarms on lags begin with the update after that"
        )
    migration = services.migrate(runtime)
    targets = services.deploy(runtime, migration)
    vpc = functions.vpc_of(runtime)
    signing = None if settings.is_preview else Signing("functions", SigningArgs(prefix=context.prefix), context.opts)
    lambdas = functions.deploy(runtime, vpc, migration, signing)
    topic = runtime.base.text("alertsTopicArn")
    if not settings.is_preview:
        care.deploy(runtime, vpc, lambdas[CARE])
    board = Observability(
        "rewards",
        ObservabilityArgs(
            region=settings.region,
            environment=settings.environment,
            namespace=runtime.namespace,
            topic_arn=topic,
            balancer=runtime.cluster.text("loadBalancerSuffix"),
            orders_target=targets["orders" if "orders" in targets else "api"],
            nightly_function=lambdas["nightly-rewards"].function_name,
            consumer_function=lambdas["journal-insights"].function_name,
            ledger_identifier=runtime.data.text("ledgerIdentifier"),
            stream_name=runtime.stores.stream_name,
            dead_letters={name: function.dead_letter_name for name, function in lambdas.items()},
            pods_run=runtime.is_delivered,
            functions_run=runtime.functions_run,
        ),
        context.opts,
    )
    if settings.is_preview:
        tag = f"environment${settings.environment}"
        Budget("preview", BudgetArgs(monthly_usd=BUDGET_USD, topic_arn=topic, tag=tag), context.opts)
    return {
        "address": f"https://{runtime.host}",
        "namespace": runtime.namespace,
        "dashboard": board.dashboard_name,
        "functionsGroupId": vpc.group_id,
        **({"expires": settings.expires, "database": _address(runtime)} if settings.is_preview else {}),
        **({"previewPlace": hosting.deploy(runtime, vpc, migration, signing)} if settings.previews else {}),
        **({"signingProfile": signing.profile} if signing else {}),
        "functions": {name: function.function_name for name, function in lambdas.items()},
    }


def _address(runtime: Runtime) -> pulumi.Output[str]:
    """Returns the database URL for a preview database's owner, as which its test data are written."""
    return runtime.database_url("ledgerEndpoint", runtime.database)
