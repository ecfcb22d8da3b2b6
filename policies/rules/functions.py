"""Lambda."""

from collections.abc import Iterator

from pulumi_policy import Severity

from policies.rules.credentials import clear_credentials
from policies.rules.properties import GIVEN, TRUE, Must, at_least, between, includes, is_, items, one_of, value
from policies.rules.rule import Config, Rule, Subject

AREA = "Lambda"
FUNCTION = "aws:lambda/function:Function"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
SUPPORTED = (
    "python3.12",
    "python3.13",
    "python3.14",
    "nodejs22.x",
    "nodejs24.x",
    "java21",
    "java25",
    "provided.al2023",
)


def place(subject: Subject, _: Config) -> Iterator[str]:
    """In the VPC a function starts slower, takes addresses and needs NAT: only what reads the database is there."""
    reads = any("DATABASE" in name for name in value(subject.props, "environment.variables") or {})
    inside = bool(items(subject.props, "vpcConfig.subnetIds"))
    if reads and not inside:
        yield "it reads the database and is not in the VPC"
    elif inside and not reads:
        yield "it is in the VPC and does not read the database"


def two_zones(subject: Subject, _: Config) -> Iterator[str]:
    """A subnet stands in one zone, and the program makes one of each tier a zone."""
    subnets = set(items(subject.props, "vpcConfig.subnetIds"))
    if len(subnets) == 1:
        yield "it stands in one zone"


def _invoker(subject: Subject, _: Config) -> Iterator[str]:
    who = str(value(subject.props, "principal"))
    if who == "*":
        yield "everybody may invoke it"
    if who.endswith(".amazonaws.com"):
        yield from Must("sourceArn", GIVEN).faults(subject.props)
    if who == "s3.amazonaws.com":  # a bucket's ARN has no account in it
        yield from Must("sourceAccount", GIVEN).faults(subject.props)


def _function(name: str, controls: tuple[str, ...], says: str, fix: str, *musts: Must, severity: Severity) -> Rule:
    return Rule(name=name, controls=controls, severity=severity, says=says, fix=fix, musts={FUNCTION: musts})


RULES = (
    Rule(
        name="function-invokers",
        controls=("Lambda.1",),
        severity=Severity.CRITICAL,
        says="A service invokes a function only for a source that is named, and nobody else at all",
        fix="Set source_arn (and source_account for S3) on the permission; no principal *",
        types=("aws:lambda/permission:Permission",),
        check=_invoker,
    ),
    _function(
        "function-runtime",
        ("Lambda.2",),
        "A function's runtime is supported",
        f"Use one of {', '.join(SUPPORTED)}",
        Must("runtime", one_of(*SUPPORTED)),
        severity=Severity.MEDIUM,
    ),
    Rule(
        name="function-place",
        controls=("Lambda.3",),
        severity=Severity.LOW,
        says="A function is in the VPC where it reads the database, and nowhere else",
        fix="Give vpc_config to functions with a DATABASE variable, and to no other",
        types=(FUNCTION,),
        check=place,
    ),
    Rule(
        name="function-in-two-zones",
        controls=("Lambda.5",),
        severity=Severity.MEDIUM,
        says="A function in the VPC stands in two zones",
        fix="Give vpc_config the private subnets of every zone",
        types=(FUNCTION,),
        check=two_zones,
    ),
    _function(
        "function-traced",
        ("CKV_AWS_50",),
        "Calls are traced through a function",
        "Set tracing_config.mode to Active",
        Must("tracingConfig.mode", is_("Active", "PassThrough")),
        severity=Severity.LOW,
    ),
    _function(
        "function-concurrency",
        ("CKV_AWS_115",),
        "A function has its own share of the account's concurrency, which is its limit too",
        "Set reserved_concurrent_executions",
        Must("reservedConcurrentExecutions", at_least(1)),
        severity=Severity.MEDIUM,
    ),
    Rule(
        name="function-failures-kept",
        controls=("CKV_AWS_116",),
        severity=Severity.MEDIUM,
        says="What a function could not do is kept",
        fix="Set dead_letter_config, and destination_config.on_failure for asynchronous calls",
        musts={
            FUNCTION: (Must("deadLetterConfig.targetArn", GIVEN),),
            "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": (
                Must("destinationConfig.onFailure.destination", GIVEN),
            ),
        },
    ),
    _function(
        "function-variables-encrypted",
        ("CKV_AWS_173",),
        "A function's variables are encrypted under a key of ours",
        "Name a KMS key in kms_key_arn",
        Must("kmsKeyArn", GIVEN),
        severity=Severity.MEDIUM,
    ),
    Rule(
        name="function-no-credentials",
        controls=("CKV_AWS_45",),
        severity=Severity.CRITICAL,
        says="No credentials lie in a function's variables",
        fix="Name the secret's ARN and read it from Secrets Manager",
        types=(FUNCTION,),
        check=lambda subject, _: clear_credentials(value(subject.props, "environment.variables") or {}),
    ),
    Rule(
        name="event-mapping-ends",
        controls=("own.event-mapping",),
        severity=Severity.HIGH,
        says="A record that can't be handled blocks no shard: halved, told one by one, put aside in the end",
        fix="Set bisect, ReportBatchItemFailures, finite retries and age, and an on-failure destination",
        musts={
            MAPPING: (
                Must("bisectBatchOnFunctionError", TRUE),
                Must("functionResponseTypes", includes("ReportBatchItemFailures")),
                Must("maximumRetryAttempts", between(0, 10_000)),
                Must("maximumRecordAgeInSeconds", between(60, 604800)),
                Must("destinationConfig.onFailure.destinationArn", GIVEN),
            )
        },
    ),
)
