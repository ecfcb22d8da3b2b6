"""Policy rules for Lambda."""

from collections.abc import Iterator

from pulumi_policy import Severity

from policies.rules.credentials import clear_credentials
from policies.rules.properties import GIVEN, TRUE, Must, at_least, between, includes, is_, items, value
from policies.rules.rule import Config, Rule, Subject

FUNCTION = "aws:lambda/function:Function"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"


def place(subject: Subject, _: Config) -> Iterator[str]:
    """Yields a violation if a Lambda function that calls what is in the VPC is outside, or another one is inside.

    In the VPC are the database and Kubernetes' API; the function's variables name them.
    """
    variables = value(subject.props, "environment.variables") or {}
    calls = any("DATABASE" in name or name == "CLUSTER" for name in variables)
    inside = bool(items(subject.props, "vpcConfig.subnetIds"))
    if calls and not inside:
        yield "it calls the database or Kubernetes and is not in the VPC"
    elif inside and not calls:
        yield "it is in the VPC and calls neither the database nor Kubernetes"


def two_zones(subject: Subject, _: Config) -> Iterator[str]:
    """Yields a violation if a Lambda function in the VPC has only one subnet, and so only one availability zone."""
    subnets = set(items(subject.props, "vpcConfig.subnetIds"))
    if len(subnets) == 1:
        yield "it stands in one zone"


def _invoker(subject: Subject, _: Config) -> Iterator[str]:
    who = str(value(subject.props, "principal"))
    if who == "*" or value(subject.props, "functionUrlAuthType") == "NONE":
        yield "everybody may invoke it"
    if who.endswith(".amazonaws.com"):
        yield from Must("sourceArn", GIVEN).faults(subject.props)
    if who == "s3.amazonaws.com":  # a bucket's ARN has no account in it
        yield from Must("sourceAccount", GIVEN).faults(subject.props)


RULES = (
    Rule(
        "function-invokers",
        "Lambda.1",
        "A service invokes a function only for a source that is named, and nobody else at all",
        "Set source_arn (and source_account for S3) on the permission; no principal *, no function_url_auth_type NONE",
        severity=Severity.CRITICAL,
        types=("aws:lambda/permission:Permission",),
        check=_invoker,
    ),
    Rule(
        "function-place",
        "Lambda.3",
        "A function is in the VPC where it calls the database or Kubernetes, and nowhere else",
        "Give vpc_config to functions with a DATABASE or CLUSTER variable, and to no other",
        severity=Severity.LOW,
        types=(FUNCTION,),
        check=place,
    ),
    Rule(
        "function-in-two-zones",
        "Lambda.5",
        "A function in the VPC stands in two zones",
        "Give vpc_config the private subnets of every zone",
        types=(FUNCTION,),
        check=two_zones,
    ),
    Rule(
        "function-traced",
        "CKV_AWS_50",
        "Calls are traced through a function",
        "Set tracing_config.mode to Active",
        {FUNCTION: (Must("tracingConfig.mode", is_("Active", "PassThrough")),)},
        severity=Severity.LOW,
    ),
    Rule(
        "function-concurrency",
        "CKV_AWS_115",
        "A function has its own share of the account's concurrency, which is its limit too",
        "Set reserved_concurrent_executions",
        {FUNCTION: (Must("reservedConcurrentExecutions", at_least(1)),)},
    ),
    Rule(
        "function-failures-kept",
        "CKV_AWS_116",
        "What a function could not do is kept",
        "Set dead_letter_config, and destination_config.on_failure for asynchronous calls",
        {
            FUNCTION: (Must("deadLetterConfig.targetArn", GIVEN),),
            "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": (
                Must("destinationConfig.onFailure.destination", GIVEN),
            ),
        },
    ),
    Rule(
        "function-variables-encrypted",
        "CKV_AWS_173",
        "A function's variables are encrypted under a key of ours",
        "Name a KMS key in kms_key_arn",
        {FUNCTION: (Must("kmsKeyArn", GIVEN),)},
    ),
    Rule(
        "function-no-credentials",
        "CKV_AWS_45",
        "No credentials lie in a function's variables",
        "Name the secret's ARN and read it from Secrets Manager",
        severity=Severity.CRITICAL,
        types=(FUNCTION,),
        check=lambda subject, _: clear_credentials(value(subject.props, "environment.variables") or {}),
    ),
    Rule(
        "event-mapping-ends",
        "own.event-mapping",
        "A record that can't be handled blocks no shard: halved, told one by one, put aside in the end",
        "Set bisect, ReportBatchItemFailures, finite retries and age, and an on-failure destination",
        {
            MAPPING: (
                Must("bisectBatchOnFunctionError", TRUE),
                Must("functionResponseTypes", includes("ReportBatchItemFailures")),
                Must("maximumRetryAttempts", between(0, 10_000)),
                Must("maximumRecordAgeInSeconds", between(60, 604800)),
                Must("destinationConfig.onFailure.destinationArn", GIVEN),
            )
        },
        severity=Severity.HIGH,
    ),
)
