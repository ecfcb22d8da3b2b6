"""The Lambda functions, their permissions, and their triggers: schedules, the journal stream, uploaded files."""

import json

import pulumi
import pulumi_aws as aws

from app.processes import CARE, ERASURE, FLOORS, FLOORS_LIMITED, FUNCTIONS, services
from cloud import iam, security_groups
from cloud import ledger as aurora
from cloud.consumer import FIRST_SHARDS, Consumer, ConsumerArgs, concurrency
from cloud.function import Function, FunctionArgs, Vpc
from cloud.iam import Allow
from cloud.log_alarm import LogAlarm, LogAlarmArgs
from cloud.migration import Migration
from cloud.schedule import Schedule, ScheduleArgs
from cloud.signing import Signing
from stacks import care
from stacks.runtime import Runtime

SCHEDULES = {
    # 12 am in the program's zone; AWS skips times that a clock change leaves out, as Havana's does with midnight, and a
    # second run in one night finds nothing to do.
    "nightly-rewards": "cron(0 0,1 * * ? *)",
    "journal-export": "cron(15 * * * ? *)",
    "digest-anchor": "cron(* * * * ? *)",
    FLOORS: "cron(0/5 * * * ? *)",
    CARE: "cron(* * * * ? *)",
    "hourly-insights": "cron(20 * * * ? *)",  # late sales have arrived, and vendors have 40 minutes to decide
}

LOADER, CONSUMER = "warehouse-load", "journal-insights"


def deploy(runtime: Runtime, vpc: Vpc, migration: Migration, signing: Signing | None) -> dict[str, Function]:
    # A preview has its own ledger, but dev's warehouse: it must not load the one into the other. What members say
    # in a preview goes with it, it has no promotions that many wait for, and its pods are too few to be looked after.
    left_out = {LOADER, ERASURE, FLOORS, CARE} if runtime.context.settings.is_preview else set()
    functions = {name: _function(runtime, name, vpc, migration, signing) for name in FUNCTIONS if name not in left_out}
    for name, at in SCHEDULES.items():
        if name in functions:
            _scheduled(runtime, name, at, functions[name])
    if LOADER in functions:
        loads_at, zone = runtime.data.text("warehouseLoadsAt"), runtime.data.text("warehouseLoadsIn")
        _scheduled(runtime, LOADER, loads_at, functions[LOADER], zone)
    Consumer(
        CONSUMER,
        functions[CONSUMER],
        ConsumerArgs(
            stream_arn=runtime.stores.stream_arn,
            stream_key_arn=runtime.stores.data_key_arn,
            logs_key_arn=runtime.stores.logs_key_arn,
            topic_arn=runtime.base.text("alertsTopicArn"),
            on=runtime.functions_run,
        ),
        runtime.opts,
    )
    if not runtime.context.settings.is_preview:  # a bucket notifies one listener only, and this is dev's bucket
        _notify_of_files(runtime, functions["vendor-feed"])
        _let_erase(runtime, functions[ERASURE])
        _tell_of_limits(runtime, functions[FLOORS])
    return functions


def vpc_of(runtime: Runtime) -> Vpc:
    """Returns the private subnets and the functions' security group: a new group, or for a preview its environment's.

    A group of a preview's own would need Lambda's network interfaces of its own, whose deletion takes up to 40 minutes.
    """
    subnets = list(runtime.base.by_zone("privateSubnetIds", runtime.context.settings.zone_names).values())
    if runtime.context.settings.is_preview:
        group_id = runtime.context.below("apps").text("functionsGroupId")
        return Vpc(subnet_ids=subnets, group_id=group_id, rules=())
    group = security_groups.group(
        "functions", runtime.context.opts, vpc_id=runtime.base.text("vpcId"), about="Functions that read the ledger"
    )
    ledger, endpoints = runtime.data.text("ledgerGroupId"), runtime.base.text("endpointsGroupId")
    opts = runtime.context.opts
    rules = [
        *security_groups.allow("functions-ledger", opts, client=group.id, server=ledger, port=aurora.PORT),
        *security_groups.allow("functions-endpoints", opts, client=group.id, server=endpoints, port=443),
        security_groups.allow_https_out("functions-out", opts, client=group.id),
    ]
    return Vpc(subnet_ids=subnets, group_id=group.id, rules=rules)


def _function(runtime: Runtime, name: str, vpc: Vpc, migration: Migration, signing: Signing | None) -> Function:
    declared = FUNCTIONS[name]
    return Function(
        name,
        FunctionArgs(
            named=f"{runtime.context.prefix}-{name}",
            handler=declared.handler,
            account=runtime.context.account,
            data_key_arn=runtime.stores.data_key_arn,
            logs_key_arn=runtime.stores.logs_key_arn,
            topic_arn=runtime.base.text("alertsTopicArn"),
            environment={
                **(runtime.variables(declared.login) if declared.login else {}),
                **_variables(runtime).get(name, {}),
                **_redacting(runtime, declared.redactor),
                "PGSSLROOTCERT": "/var/task/app/rds-ca.pem",
                "REWARDS_DIGEST_KMS_KEY": runtime.stores.digest_key_arn,
                "REWARDS_DIGEST_KEPT_DAYS": _kept_days(runtime),
            },
            may=[
                *(runtime.may_log_in(login) for login in (declared.login, declared.redactor) if login),
                *_permissions(runtime).get(name, []),
            ],
            vpc=vpc,
            seconds=declared.seconds,
            memory_mb=declared.memory_mb,
            concurrency=_concurrency(runtime, name),
            boundary=runtime.boundary,
            version=runtime.delivered.versions.get(name),
            signing=signing,
            after=[migration],
        ),
        runtime.opts,
    )


def _concurrency(runtime: Runtime, name: str) -> pulumi.Input[int]:
    """Returns how many calls of a function may run at once.

    In a preview it is one, because all previews share the account's concurrency, except for the stream's consumer: this
    gets a call for each shard that a new stream on demand has.
    """
    is_preview = runtime.context.settings.is_preview
    if name != CONSUMER:
        return 1 if is_preview else FUNCTIONS[name].at_once
    return concurrency(FIRST_SHARDS) if is_preview else runtime.data.number("journalShards").apply(concurrency)


def _permissions(runtime: Runtime) -> dict[str, list[Allow]]:
    """Returns permissions by Lambda function, beyond those to log in to the database and to write logs."""
    archive, exports = runtime.stores.archive_bucket_arn, runtime.stores.export_bucket_arn
    prefix = runtime.stores.archive_prefix

    def objects(bucket: pulumi.Output[str], folder: str) -> list[pulumi.Input[str]]:
        return [pulumi.Output.concat(bucket, f"/{folder}")]

    own = {
        "journal-export": [
            Allow(actions=["s3:GetObject", "s3:PutObject"], resources=objects(exports, f"{prefix}exports/*")),
            Allow(actions=["s3:ListBucket"], resources=[exports]),
            runtime.may_sign_digests(),
        ],
        "digest-anchor": [
            Allow(actions=["s3:PutObject", "s3:PutObjectRetention"], resources=objects(archive, f"{prefix}digests/*")),
            runtime.may_sign_digests(),
        ],
    }
    if runtime.context.settings.is_preview:
        return own
    feeds, staging = runtime.data.text("feedsBucketArn"), runtime.data.text("stagingBucketArn")
    return {
        **own,
        CARE: care.permissions(runtime),
        "vendor-feed": [Allow(actions=["s3:GetObject", "s3:GetObjectVersion"], resources=objects(feeds, "*"))],
        FLOORS: [Allow(actions=["ssm:PutParameter"], resources=[care.floors_arn(runtime)])],
        ERASURE: [
            Allow(actions=["s3:PutObject", "s3:DeleteObjectVersion"], resources=objects(exports, "exports/*")),
            Allow(actions=["s3:ListBucket", "s3:ListBucketVersions"], resources=[exports]),
        ],
        LOADER: [
            Allow(actions=["s3:GetObject"], resources=objects(exports, "exports/*")),
            Allow(actions=["s3:ListBucket"], resources=[exports]),
            Allow(actions=["s3:ListBucketVersions"], resources=[staging]),
            Allow(actions=["s3:PutObject", "s3:DeleteObjectVersion"], resources=objects(staging, "warehouse/*")),
            *_may_load(runtime),
        ],
    }


def _kept_days(runtime: Runtime) -> pulumi.Input[str]:
    """Returns for how many days Object Lock protects a digest; for a preview, the minimum."""
    return "1" if runtime.context.settings.is_preview else runtime.data.number("archiveLockDays").apply(str)


def _may_load(runtime: Runtime) -> list[Allow]:
    """Returns permissions to run SQL on the warehouse as its owner, and to read the results."""
    mine = {"StringEquals": {"redshift-data:statement-owner-iam-userid": "${aws:userid}"}}
    about = ["redshift-data:DescribeStatement", "redshift-data:GetStatementResult", "redshift-data:CancelStatement"]
    return [
        Allow(
            actions=["redshift-data:ExecuteStatement", "redshift-data:BatchExecuteStatement"],
            resources=[runtime.data.text("warehouseArn")],
        ),
        Allow(actions=about, resources=["*"], conditions=mine),  # statements have no ARN
        Allow(actions=["secretsmanager:GetSecretValue"], resources=[runtime.data.text("warehouseSecretArn")]),
    ]


def _variables(runtime: Runtime) -> dict[str, dict[str, pulumi.Input[str]]]:
    """Returns environment variables by Lambda function, beyond those that all functions have."""
    settings = runtime.context.settings
    if settings.is_preview:
        return {}
    deployments = services(together=settings.services_together, apart=settings.services_apart)
    return {
        FLOORS: {
            "REWARDS_FLOORS_USD_A_DAY": str(settings.floors_usd_a_day),
            "REWARDS_FLOORS_LEAST": str(settings.min_replicas),
            "REWARDS_FLOORS_MOST": str(settings.max_replicas),
            "REWARDS_FLOORS_SERVICES": json.dumps({name: each.routers for name, each in deployments.items()}),
            "REWARDS_FLOORS_PARAMETER": settings.floors_parameter,
        },
        CARE: care.variables(runtime),
        LOADER: {
            "REWARDS_WAREHOUSE_TARGET": runtime.data.text("warehouseTarget"),
            "REWARDS_WAREHOUSE_COPY_ROLE": runtime.data.text("warehouseCopyRoleArn"),
            "REWARDS_WAREHOUSE_BUCKET": runtime.data.text("stagingBucket"),
        },
    }


def _redacting(runtime: Runtime, login: str | None) -> dict[str, pulumi.Input[str]]:
    return {"REWARDS_REDACTOR_DATABASE_URL": runtime.database_url("ledgerEndpoint", login)} if login else {}


def _let_erase(runtime: Runtime, function: Function) -> None:
    """Makes the IAM policy that allows to call `function`, which erases members; administrators attach it to a role."""
    aws.iam.Policy(
        "erase-members",
        name=f"{runtime.context.prefix}-erase-members",
        policy=iam.document(Allow(actions=["lambda:InvokeFunction"], resources=[function.alias_arn])),
        opts=runtime.context.opts,
    )


def _tell_of_limits(runtime: Runtime, function: Function) -> None:
    """Makes the alarm that tells when the limit of money lowers floors: then a sale may begin with fewer pods."""
    LogAlarm(
        "floors-limited",
        LogAlarmArgs(
            log_group_name=function.log_group_name,
            line=FLOORS_LIMITED,
            metric=f"{runtime.context.prefix}-floors-limited",
            topic_arn=runtime.base.text("alertsTopicArn"),
            about="What was announced needs more pods than rewards:floorsUsdADay pays for",
        ),
        runtime.context.opts,
    )


def _scheduled(
    runtime: Runtime, name: str, at: pulumi.Input[str], function: Function, zone: pulumi.Input[str] | None = None
) -> None:
    """Calls a function at the times of the cron expression `at`, in `zone` or else in the time zone of the settings."""
    Schedule(
        name,
        ScheduleArgs(
            at=at,
            time_zone=zone or runtime.context.settings.time_zone,
            target_arn=function.alias_arn,
            payload={},
            may=[Allow(actions=["lambda:InvokeFunction"], resources=[function.alias_arn])],
            key_arn=runtime.stores.logs_key_arn,
            topic_arn=runtime.base.text("alertsTopicArn"),
            account=runtime.context.account,
            boundary=runtime.boundary,
        ),
        runtime.opts,
    )


def _notify_of_files(runtime: Runtime, function: Function) -> None:
    bucket = runtime.data.text("feedsBucket")
    allowed = aws.lambda_.Permission(
        "vendor-feed-files",
        action="lambda:InvokeFunction",
        function=function.function_name,
        qualifier="live",
        principal="s3.amazonaws.com",
        source_arn=runtime.data.text("feedsBucketArn"),
        source_account=runtime.context.account,
        opts=runtime.context.opts,
    )
    aws.s3.BucketNotification(
        "vendor-feed-files",
        bucket=bucket,
        lambda_functions=[{"lambda_function_arn": function.alias_arn, "events": ["s3:ObjectCreated:*"]}],
        opts=pulumi.ResourceOptions(provider=runtime.context.provider, depends_on=[allowed]),
    )
