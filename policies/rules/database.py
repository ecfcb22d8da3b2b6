"""Policy rules for Aurora, the ledger's database."""

from collections.abc import Iterator

from pulumi_policy import Severity

from policies.rules.parameters import faults
from policies.rules.properties import FALSE, GIVEN, TRUE, Must, at_least, includes, none_of, one_of, value
from policies.rules.rule import Config, Rule, Stack, Subject

LEDGER = "aws:rds/cluster:Cluster"
INSTANCE = "aws:rds/clusterInstance:ClusterInstance"
LONE = "aws:rds/instance:Instance"
LEDGER_GROUP = "aws:rds/clusterParameterGroup:ClusterParameterGroup"
TLS = {"rds.force_ssl": "1"}
LOGGED = {"log_connections": "1", "log_disconnections": "1", "log_statement": "ddl"}
HIGH, LOW = Severity.HIGH, Severity.LOW


def ledger_zones(subject: Subject, stack: Stack, config: Config) -> Iterator[str]:
    zones = {
        value(instance.props, "availabilityZone") for instance in stack.about(subject, INSTANCE, "clusterIdentifier")
    }
    if len(zones) < config["minimum"]:
        yield f"its instances stand in {len(zones)} zones; {config['minimum']:g} are needed"


def ledger_backed_up(subject: Subject, stack: Stack, _: Config) -> Iterator[str]:
    if not stack.about(subject, "aws:backup/selection:Selection", "resources"):
        yield "no backup plan selects it"


RULES = (
    Rule(
        "database-not-public",
        "RDS.2",
        "The database has no public address",
        "Set publicly_accessible to False on every instance",
        {type_: (Must("publiclyAccessible", FALSE, default=False),) for type_ in (INSTANCE, LONE)},
        severity=Severity.CRITICAL,
    ),
    Rule(
        "database-monitored",
        "RDS.6",
        "The database's machines are watched closely",
        "Set monitoring_interval to 60 seconds or less, performance insights on, under a key of ours",
        {
            INSTANCE: (
                Must("monitoringInterval", one_of(1, 5, 10, 15, 30, 60)),
                Must("performanceInsightsEnabled", TRUE),
                Must("performanceInsightsKmsKeyId", GIVEN),
            )
        },
        severity=LOW,
    ),
    Rule(
        "database-deletion-protected",
        "RDS.7",
        "The database refuses to be deleted",
        "Set deletion_protection to True and skip_final_snapshot to False (rewards:deletionProtection)",
        {
            type_: (Must("deletionProtection", TRUE), Must("skipFinalSnapshot", FALSE, default=False))
            for type_ in (LEDGER, LONE)
        },
        severity=HIGH,
    ),
    Rule(
        "database-iam-login",
        "RDS.12",
        "Services log in by IAM token; the admin's password is made and kept by Secrets Manager, under a key of ours",
        "Set iam_database_authentication_enabled and manage_master_user_password to True; name the secret's key",
        {
            type_: (
                Must("iamDatabaseAuthenticationEnabled", TRUE),
                Must("manageMasterUserPassword", TRUE),
                Must("masterUserSecretKmsKeyId", GIVEN),
            )
            for type_ in (LEDGER, LONE)
        },
    ),
    Rule(
        "database-minor-upgrades",
        "RDS.13, RDS.35",
        "The database takes minor versions by itself",
        "Leave auto_minor_version_upgrade on",
        {type_: (Must("autoMinorVersionUpgrade", TRUE, default=True),) for type_ in (INSTANCE, LONE)},
        severity=HIGH,
    ),
    Rule(
        "database-in-zones",
        "RDS.15, own.aurora-zones",
        "The database survives a zone",
        "Add a reader in another zone (rewards:ledgerReaders)",
        severity=HIGH,
        types=(LEDGER,),
        stack_check=ledger_zones,
        config={"minimum": {"type": "integer", "minimum": 1, "default": 2}},
    ),
    Rule(
        "database-tags-on-snapshots",
        "RDS.16",
        "Snapshots carry the database's tags",
        "Set copy_tags_to_snapshot to True",
        {LEDGER: (Must("copyTagsToSnapshot", TRUE),), INSTANCE: (Must("copyTagsToSnapshot", TRUE),)},
        severity=LOW,
    ),
    Rule(
        "database-port",
        "RDS.23",
        "The database listens elsewhere than where everybody tries",
        "Set port to another than the engine's default",
        {LEDGER: (Must("port", none_of(5432, 3306)),)},
        severity=LOW,
    ),
    Rule(
        "database-admin-name",
        "RDS.24",
        "The database's admin has a name of our own",
        "Set master_username to another than admin or postgres",
        {LEDGER: (Must("masterUsername", none_of("admin", "postgres")),)},
    ),
    Rule(
        "database-backed-up",
        "RDS.26",
        "A backup plan holds the database, whose own backups are kept a week",
        "Name the cluster's ARN in an aws.backup.Selection; backup_retention_period of 7 days or more",
        {LEDGER: (Must("backupRetentionPeriod", at_least(7)),)},
        types=(LEDGER,),
        stack_check=ledger_backed_up,
    ),
    Rule(
        "database-encrypted",
        "RDS.27",
        "The database is encrypted under a key of ours",
        "Set storage_encrypted to True and name a KMS key",
        {type_: (Must("storageEncrypted", TRUE), Must("kmsKeyId", GIVEN)) for type_ in (LEDGER, LONE)},
    ),
    Rule(
        "database-logs",
        "RDS.37",
        "The database's log is kept: who came, who went, what was changed in the schema",
        "Export postgresql; set log_connections, log_disconnections to 1 and log_statement to ddl",
        {LEDGER: (Must("enabledCloudwatchLogsExports", includes("postgresql")),)},
        types=(LEDGER_GROUP,),
        check=lambda subject, _: faults(subject, LOGGED) if subject.type == LEDGER_GROUP else (),
    ),
    Rule(
        "database-tls",
        "RDS.38",
        "The database refuses connections without TLS",
        "Set rds.force_ssl to 1, and name the parameter group on the cluster",
        {LEDGER: (Must("dbClusterParameterGroupName", GIVEN),)},
        types=(LEDGER_GROUP,),
        check=lambda subject, _: faults(subject, TLS) if subject.type == LEDGER_GROUP else (),
    ),
    Rule(
        "database-capacity",
        "own.aurora-capacity",
        "The database does not pause: the first buyer would wait for it",
        "Set min_capacity to 0.5 or more (rewards:ledgerMinAcu)",
        {LEDGER: (Must("serverlessv2ScalingConfiguration.minCapacity", at_least(0.5)),)},
    ),
)
