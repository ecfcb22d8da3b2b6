"""The Lambda functions, their permissions, and their triggers: schedules, the stream, uploaded files."""

import pulumi
import pulumi_aws as aws

from app.processes import FUNCTIONS
from cloud import firewall
from cloud import ledger as aurora
from cloud.consumer import Consumer, ConsumerArgs
from cloud.function import Function, FunctionArgs, Vpc
from cloud.iam import Allow
from cloud.migration import Migration
from cloud.schedule import Schedule, ScheduleArgs
from stacks.runtime import Runtime

SCHEDULES = {
    "nightly-rewards": "cron(0 0 * * ? *)",  # 12 am in the program's zone
    "journal-export": "cron(15 * * * ? *)",
    "digest-anchor": "cron(* * * * ? *)",
    "hourly-insights": "cron(20 * * * ? *)",  # late sales have arrived, and vendors have 40 minutes to decide
}

LOADER = "warehouse-load"


def deploy(runtime: Runtime, migration: Migration) -> dict[str, Function]:
    vpc = _vpc(runtime)
    # A preview has its own ledger, but dev's warehouse: it must not load the one into the other.
    left_out = {LOADER} if runtime.context.settings.is_preview else set()
    functions = {name: _function(runtime, name, vpc, migration) for name in FUNCTIONS if name not in left_out}
    for name, at in SCHEDULES.items():
        _scheduled(runtime, name, at, functions[name])
    if LOADER in functions:
        _scheduled(runtime, LOADER, runtime.data.text("warehouseLoadsAt"), functions[LOADER])
    Consumer(
        "journal-insights",
        functions["journal-insights"],
        ConsumerArgs(
            stream_arn=runtime.stream_arn,
            stream_key_arn=runtime.base.text("dataKeyArn"),
            logs_key_arn=runtime.base.text("logsKeyArn"),
            topic_arn=runtime.base.text("alertsTopicArn"),
        ),
        runtime.opts,
    )
    if not runtime.context.settings.is_preview:  # a bucket notifies one listener only, and this is dev's bucket
        _notify_of_files(runtime, functions["vendor-feed"])
    return functions


def _vpc(runtime: Runtime) -> Vpc:
    """Puts functions in the VPC, where the database is; they reach AWS through VPC endpoints or the NAT."""
    group = firewall.group(
        "functions", runtime.context.opts, vpc_id=runtime.base.text("vpcId"), about="Functions that read the ledger"
    )
    ledger, endpoints = runtime.data.text("ledgerGroupId"), runtime.base.text("endpointsGroupId")
    firewall.allow("functions-ledger", runtime.context.opts, client=group.id, server=ledger, port=aurora.PORT)
    firewall.allow("functions-endpoints", runtime.context.opts, client=group.id, server=endpoints, port=443)
    firewall.allow_https_out("functions-out", runtime.context.opts, client=group.id)
    zones = runtime.context.settings.zone_names
    return Vpc(subnet_ids=list(runtime.base.by_zone("privateSubnetIds", zones).values()), group_id=group.id)


def _function(runtime: Runtime, name: str, vpc: Vpc, migration: Migration) -> Function:
    declared = FUNCTIONS[name]
    return Function(
        name,
        FunctionArgs(
            named=f"{runtime.context.prefix}-{name}",
            handler=declared.handler,
            account=runtime.context.account,
            data_key_arn=runtime.base.text("dataKeyArn"),
            logs_key_arn=runtime.base.text("logsKeyArn"),
            topic_arn=runtime.base.text("alertsTopicArn"),
            environment={
                **runtime.variables(declared.login),
                **_variables(runtime).get(name, {}),
                "REWARDS_DIGEST_KMS_KEY": runtime.base.text("signingKeyArn"),
                "REWARDS_DIGEST_KEPT_DAYS": runtime.data.number("archiveLockDays").apply(str),
            },
            may=[runtime.may_log_in(declared.login), *_permissions(runtime).get(name, [])],
            vpc=vpc,
            seconds=declared.seconds,
            memory_mb=declared.memory_mb,
            boundary=runtime.boundary,
            after=[migration],
        ),
        runtime.opts,
    )


def _permissions(runtime: Runtime) -> dict[str, list[Allow]]:
    """Permissions beyond database login and logs, by function."""
    archive, feeds = runtime.data.text("archiveBucketArn"), runtime.data.text("feedsBucketArn")
    staging = runtime.data.text("stagingBucketArn")

    def objects(bucket: pulumi.Output[str], folder: str) -> list[pulumi.Input[str]]:
        return [pulumi.Output.concat(bucket, f"/{folder}")]

    return {
        "vendor-feed": [Allow(actions=["s3:GetObject", "s3:GetObjectVersion"], resources=objects(feeds, "*"))],
        "journal-export": [
            Allow(actions=["s3:GetObject", "s3:PutObject"], resources=objects(archive, "exports/*")),
            Allow(actions=["s3:ListBucket"], resources=[archive]),
            runtime.may_sign_digests(),
        ],
        LOADER: [
            Allow(actions=["s3:GetObject"], resources=objects(archive, "exports/*")),
            Allow(actions=["s3:ListBucket"], resources=[archive]),
            Allow(actions=["s3:ListBucketVersions"], resources=[staging]),
            Allow(
                actions=["s3:PutObject", "s3:DeleteObjectVersion"],
                resources=objects(staging, "warehouse/*"),
            ),
            *_may_load(runtime),
        ],
        "digest-anchor": [
            Allow(actions=["s3:PutObject", "s3:PutObjectRetention"], resources=objects(archive, "digests/*")),
            runtime.may_sign_digests(),
        ],
    }


def _may_load(runtime: Runtime) -> list[Allow]:
    """Runs SQL on the warehouse as its owner. AWS shows a statement's result only to the caller that started it."""
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
    """Environment variables beyond the common ones, by function."""
    return {
        LOADER: {
            "REWARDS_WAREHOUSE_TARGET": runtime.data.text("warehouseTarget"),
            "REWARDS_WAREHOUSE_COPY_ROLE": runtime.data.text("warehouseCopyRoleArn"),
            "REWARDS_WAREHOUSE_BUCKET": runtime.data.text("stagingBucket"),
        }
    }


def _scheduled(runtime: Runtime, name: str, at: pulumi.Input[str], function: Function) -> None:
    Schedule(
        name,
        ScheduleArgs(
            at=at,
            time_zone=runtime.context.settings.time_zone,
            target_arn=function.alias_arn,
            payload={},
            may=[Allow(actions=["lambda:InvokeFunction"], resources=[function.alias_arn])],
            key_arn=runtime.base.text("logsKeyArn"),
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
