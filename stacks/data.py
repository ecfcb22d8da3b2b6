"""The data layer: ledger database, journal stream, archive, vendors' feeds, warehouse and backups."""

import pulumi

from cloud.archive import Archive, ArchiveArgs
from cloud.backup import Backup, BackupArgs
from cloud.bucket import Bucket, BucketArgs
from cloud.journal_stream import JournalStream, JournalStreamArgs
from cloud.ledger import Engine as LedgerEngine
from cloud.ledger import Ledger, LedgerArgs
from cloud.qldb import Qldb, QldbArgs
from cloud.secret import Secret, SecretArgs
from cloud.warehouse import DATABASE, Warehouse, WarehouseArgs
from cloud.warehouse import Engine as WarehouseEngine
from cloud.warehouse_serverless import ServerlessWarehouse, ServerlessWarehouseArgs
from stacks.base import archive_prefix, previews_prefix
from stacks.context import Below, Context, Exports
from stacks.settings import Settings


def layer(context: Context) -> Exports:
    settings, base, protect = context.settings, context.below("base"), context.settings.deletion_protection
    key = base.text("dataKeyArn")
    stream = JournalStream(
        "journal",
        JournalStreamArgs(
            key_arn=key,
            shards=settings.journal_shards,
            retention_hours=settings.journal_retention_hours,
            protect=protect,
        ),
        context.opts,
    )
    archive = Archive(
        "archive",
        ArchiveArgs(
            prefix=archive_prefix(context.prefix),
            key_arn=key,
            log_bucket=base.text("accessLogBucket"),
            topic_arn=base.text("alertsTopicArn"),
            locked_days=settings.archive_lock_days,
            protect=protect,
        ),
        context.opts,
    )
    # Not in the archive: erasing a member rewrites exports, and Object Lock forbids that.
    exports = _bucket(context, base, "exports")
    feeds = _bucket(context, base, "feeds", days=90)
    # Not in the archive: each load deletes the files that it staged, and Object Lock forbids that.
    staging = _bucket(context, base, "staging", days=1)
    signing = Secret(
        "vendor-tokens", SecretArgs(about="Signs vendors' tokens (RS256)", key_arn=key, protect=protect), context.opts
    )
    ledger = _ledger(context, base)
    if settings.ledger_engine is LedgerEngine.QLDB:
        _qldb(context, base, stream, exports)
    warehouse = _warehouse(context, base, staging)
    Backup(
        "backup",
        BackupArgs(
            account=context.account,
            key_arn=key,
            recovery_region=settings.recovery_region,
            recovery_key_arn=base.text("recoveryKeyArn"),
            resources=[ledger.cluster_arn, archive.bucket_arn, exports.arn],
            topic_arn=base.text("alertsTopicArn"),
            locked=protect,
        ),
        context.opts,
    )
    return {
        **(_previews(context, base) if settings.previews else {}),
        "ledgerEndpoint": ledger.endpoint,
        "ledgerReaderEndpoint": ledger.reader_endpoint,
        "ledgerResourceId": ledger.resource_id,
        "ledgerIdentifier": ledger.identifier,
        "ledgerSecretArn": ledger.admin_secret_arn,
        "ledgerGroupId": ledger.group_id,
        "signingSecretArn": signing.arn,
        "streamName": stream.stream_name,
        "streamArn": stream.stream_arn,
        "journalShards": settings.journal_shards,
        "archiveLockDays": settings.archive_lock_days,
        "archiveBucket": archive.bucket,
        "archiveBucketArn": archive.bucket_arn,
        "exportsBucket": exports.id,
        "exportsBucketArn": exports.arn,
        "feedsBucket": feeds.id,
        "feedsBucketArn": feeds.arn,
        "warehouseEndpoint": warehouse.endpoint,
        "warehouseArn": warehouse.arn,
        "warehouseSecretArn": warehouse.secret_arn,
        "warehouseTarget": pulumi.Output.json_dumps(
            {**warehouse.target, "Database": DATABASE, "SecretArn": warehouse.secret_arn}
        ),
        # The last day's export is complete by four, an hour that no zone's clock change leaves out; a warehouse that
        # pauses at night is loaded at noon.
        "warehouseLoadsAt": "cron(0 12 ? * MON-FRI *)" if _pauses(settings) else "cron(0 4 * * ? *)",
        "warehouseLoadsIn": "UTC" if _pauses(settings) else settings.time_zone,  # Redshift pauses and resumes by UTC
        "warehouseCopyRoleArn": warehouse.copy_role_arn,
        "stagingBucket": staging.id,
        "stagingBucketArn": staging.arn,
    }


def _pauses(settings: Settings) -> bool:
    """Returns whether a schedule pauses the warehouse; it never does for a serverless one, which pauses by itself."""
    return settings.warehouse_paused and settings.warehouse_engine is WarehouseEngine.CLUSTER


def _previews(context: Context, base: Below) -> Exports:
    """Makes the bucket in which previews archive, each under its own prefix; AWS deletes the objects after a while."""
    bucket = Bucket(
        "previews",
        BucketArgs(
            prefix=previews_prefix(context.prefix),
            key_arn=base.text("previewsKeyArn"),
            log_bucket=base.text("accessLogBucket"),
            protect=context.settings.deletion_protection,
            locked_days=1,
            topic_arn=base.text("alertsTopicArn"),
            expire_after_days=10,
        ),
        context.opts,
    )
    return {"previewsBucket": bucket.id, "previewsBucketArn": bucket.arn}


def _bucket(context: Context, base: Below, name: str, days: int | None = None) -> Bucket:
    args = BucketArgs(
        prefix=f"{context.prefix}-{name}-",
        key_arn=base.text("dataKeyArn"),
        log_bucket=base.text("accessLogBucket"),
        protect=context.settings.deletion_protection,
        expire_after_days=days,
        colder_after_days=None if days else 90,
    )
    return Bucket(name, args, context.opts)


def _ledger(context: Context, base: Below) -> Ledger:
    settings = context.settings
    return Ledger(
        "ledger",
        LedgerArgs(
            identifier=context.prefix,
            account=context.account,
            vpc_id=base.text("vpcId"),
            subnet_ids=base.by_zone("dataSubnetIds", settings.zone_names),
            zones=settings.zone_names[: settings.ledger_readers + 1],
            data_key_arn=base.text("dataKeyArn"),
            logs_key_arn=base.text("logsKeyArn"),
            min_acu=settings.ledger_min_acu,
            max_acu=settings.ledger_max_acu,
            snapshot=settings.ledger_snapshot,
            protect=settings.deletion_protection,
        ),
        context.opts,
    )


def _qldb(context: Context, base: Below, stream: JournalStream, exports: Bucket) -> None:
    Qldb(
        "qldb",
        QldbArgs(
            account=context.account,
            stream_arn=stream.stream_arn,
            exports_bucket_arn=exports.arn,
            key_arn=base.text("dataKeyArn"),
            protect=context.settings.deletion_protection,
        ),
        context.opts,
    )


def _warehouse(context: Context, base: Below, staging: Bucket) -> Warehouse | ServerlessWarehouse:
    settings = context.settings
    if settings.warehouse_engine is WarehouseEngine.SERVERLESS:
        return ServerlessWarehouse(
            "warehouse",
            ServerlessWarehouseArgs(
                identifier=context.prefix,
                account=context.account,
                vpc_id=base.text("vpcId"),
                subnet_ids=base.by_zone("dataSubnetIds", settings.zone_names),
                data_key_arn=base.text("dataKeyArn"),
                logs_key_arn=base.text("logsKeyArn"),
                staging_bucket_arn=staging.arn,
                base_rpu=settings.warehouse_rpu,
                protect=settings.deletion_protection,
            ),
            context.opts,
        )
    return Warehouse(
        "warehouse",
        WarehouseArgs(
            identifier=context.prefix,
            region=settings.region,
            account=context.account,
            vpc_id=base.text("vpcId"),
            subnet_ids=base.by_zone("dataSubnetIds", settings.zone_names),
            data_key_arn=base.text("dataKeyArn"),
            logs_key_arn=base.text("logsKeyArn"),
            staging_bucket_arn=staging.arn,
            recovery_region=settings.recovery_region if settings.deletion_protection else None,
            recovery_key_arn=base.text("recoveryKeyArn"),
            node_type=settings.warehouse_node_type,
            nodes=settings.warehouse_nodes,
            multi_zone=settings.warehouse_multi_zone,
            paused=_pauses(settings),
            protect=settings.deletion_protection,
        ),
        context.opts,
    )
