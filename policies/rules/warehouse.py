"""Policy rules for Redshift, provisioned and serverless."""

from collections.abc import Iterator

from pulumi_policy import Severity

from policies.rules.parameters import faults
from policies.rules.properties import FALSE, GIVEN, TRUE, Must, at_least, includes, none_of, value
from policies.rules.rule import Companion, Config, Rule, Stack, Subject

WAREHOUSE = "aws:redshift/cluster:Cluster"
NAMESPACE = "aws:redshiftserverless/namespace:Namespace"
WORKGROUP = "aws:redshiftserverless/workgroup:Workgroup"
TLS_GROUP = "aws:redshift/parameterGroup:ParameterGroup"
TLS = {"require_ssl": "true"}
STATEMENTS = {"enable_user_activity_logging": "true"}

RELOCATED = "AWS relocates it to another zone when its own fails, its address stays, and it costs half"


def one_zone(subject: Subject, _: Config) -> Iterator[str]:
    if value(subject.props, "multiAz") is not True:
        yield "it stands in one zone alone, and is not relocated to another"


def relocated(subject: Subject, _: Stack) -> str:
    """Returns why a Redshift cluster need not be in two zones: AWS relocates it if a zone fails; '' if AWS doesn't."""
    return RELOCATED if value(subject.props, "availabilityZoneRelocationEnabled") is True else ""


RULES = (
    Rule(
        "warehouse-not-public",
        "Redshift.1, RedshiftServerless.3",
        "The warehouse has no public address",
        "Set publicly_accessible to False",
        {
            WAREHOUSE: (Must("publiclyAccessible", FALSE),),
            WORKGROUP: (Must("publiclyAccessible", FALSE, default=False),),
        },
        severity=Severity.CRITICAL,
    ),
    Rule(
        "warehouse-tls",
        "Redshift.2, RedshiftServerless.2",
        "The warehouse refuses connections without TLS",
        "Set require_ssl to true, and name the parameter group on the cluster",
        {WAREHOUSE: (Must("clusterParameterGroupName", GIVEN),)},
        types=(TLS_GROUP, WORKGROUP),
        check=lambda subject, _: faults(subject, TLS) if subject.type != WAREHOUSE else (),
    ),
    Rule(
        "warehouse-snapshots",
        "Redshift.3",
        "The warehouse's snapshots are kept a week",
        "Set automated_snapshot_retention_period to 7 days or more",
        {WAREHOUSE: (Must("automatedSnapshotRetentionPeriod", at_least(7)),)},
    ),
    Rule(
        "warehouse-audit-log",
        "Redshift.4",
        "Who connects to the warehouse, and as whom, is logged",
        "Add aws.redshift.Logging about the cluster with connectionlog, userlog and useractivitylog",
        types=(WAREHOUSE,),
        companions=(
            Companion(
                "aws:redshift/logging:Logging",
                "clusterIdentifier",
                (Must("logExports", includes("connectionlog", "userlog", "useractivitylog")),),
            ),
        ),
    ),
    Rule(
        "warehouse-statements-logged",
        "Redshift.4, RedshiftServerless.6",
        "Each statement that the warehouse runs is logged",
        "Set enable_user_activity_logging to true; export connectionlog, userlog and useractivitylog",
        {NAMESPACE: (Must("logExports", includes("connectionlog", "userlog", "useractivitylog")),)},
        types=(TLS_GROUP, WORKGROUP),
        check=lambda subject, _: faults(subject, STATEMENTS) if subject.type != NAMESPACE else (),
    ),
    Rule(
        "warehouse-upgrades",
        "Redshift.6",
        "The warehouse takes upgrades by itself",
        "Leave allow_version_upgrade on",
        {WAREHOUSE: (Must("allowVersionUpgrade", TRUE, default=True),)},
    ),
    Rule(
        "warehouse-vpc-routing",
        "Redshift.7, RedshiftServerless.1",
        "What the warehouse copies goes through the VPC",
        "Set enhanced_vpc_routing to True",
        {WAREHOUSE: (Must("enhancedVpcRouting", TRUE),), WORKGROUP: (Must("enhancedVpcRouting", TRUE),)},
    ),
    Rule(
        "warehouse-admin-name",
        "Redshift.8, RedshiftServerless.5",
        "The warehouse's admin has a name of our own, and a password that Secrets Manager makes",
        "Set the admin's name to another than awsuser or admin; let AWS manage the password",
        {
            WAREHOUSE: (Must("masterUsername", none_of("awsuser", "admin")), Must("manageMasterPassword", TRUE)),
            NAMESPACE: (Must("adminUsername", none_of("awsuser", "admin")), Must("manageAdminPassword", TRUE)),
        },
    ),
    Rule(
        "warehouse-database-name",
        "Redshift.9, RedshiftServerless.7",
        "The warehouse's database has a name of our own",
        "Name the database other than dev",
        {WAREHOUSE: (Must("databaseName", none_of("dev")),), NAMESPACE: (Must("dbName", none_of("dev")),)},
    ),
    Rule(
        "warehouse-encrypted",
        "Redshift.10, RedshiftServerless.4",
        "The warehouse and its admin's password are encrypted under a key of ours",
        "Set encrypted and name a KMS key for data and for the admin's secret",
        {
            WAREHOUSE: (Must("encrypted", TRUE), Must("kmsKeyId", GIVEN), Must("masterPasswordSecretKmsKeyId", GIVEN)),
            NAMESPACE: (Must("kmsKeyId", GIVEN), Must("adminPasswordSecretKmsKeyId", GIVEN)),
            "aws:redshift/snapshotCopyGrant:SnapshotCopyGrant": (Must("kmsKeyId", GIVEN),),
        },
    ),
    Rule(
        "warehouse-in-two-zones",
        "Redshift.18",
        "The warehouse survives a zone",
        "Set multi_az to True (rewards:warehouseMultiZone), or availability_zone_relocation_enabled",
        types=(WAREHOUSE,),
        check=one_zone,
        exempt=relocated,
    ),
)
