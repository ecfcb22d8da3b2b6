"""Policy rules for S3 buckets and their configuration, and against the deletion of data."""

from collections.abc import Iterator

from pulumi_policy import Severity

from policies.rules.documents import statements
from policies.rules.properties import FALSE, GIVEN, TRUE, Condition, Must, at_least, is_, items, value
from policies.rules.rule import Companion, Config, Rule, Stack, Subject

BUCKET = "aws:s3/bucket:Bucket"
NOTHING = Condition("nothing", lambda it: not it, (["something"],))
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
LOGGING = "aws:s3/bucketLogging:BucketLogging"


def holds_logs(subject: Subject, stack: Stack) -> bool:
    """Returns whether a bucket receives access logs. AWS can't encrypt these by a KMS key, so some rules exempt it."""
    return bool(stack.about(subject, LOGGING, "targetBucket"))


def is_locked_kind(subject: Subject) -> bool:
    """Returns whether a bucket is the archive of signed digests and exports, which must have Object Lock."""
    return "rewards:archive:Archive$" in subject.urn


def _about(kind: str, *musts: Must) -> Companion:
    return Companion(f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}", "bucket", musts)


def tls_alone(subject: Subject, stack: Stack, _: Config) -> Iterator[str]:
    for policy in stack.about(subject, "aws:s3/bucketPolicy:BucketPolicy", "bucket"):
        for statement in statements(policy.props, "Deny"):
            without = value(statement, "Condition.Bool.aws:SecureTransport")
            everybody = value(statement, "Principal") == "*" or value(statement, "Principal.AWS") == "*"
            whole = any(not arn.endswith("/*") for arn in items(statement, "Resource")) and any(
                arn.endswith("/*") for arn in items(statement, "Resource")
            )
            if str(without).lower() == "false" and everybody and whole and "s3:*" in items(statement, "Action"):
                return
    yield "no policy refuses requests without TLS"


def locked(subject: Subject, stack: Stack, config: Config) -> Iterator[str]:
    if is_locked_kind(subject):
        yield from Must("objectLockEnabled", TRUE).faults(subject.props)
        musts = (
            Must("rule.defaultRetention.mode", is_("COMPLIANCE", "GOVERNANCE")),
            Must("rule.defaultRetention.days", at_least(config["days"])),
        )
        yield from _about("BucketObjectLockConfiguration", *musts).faults(subject, stack)


def _bucket(name: str, controls: str, says: str, fix: str, *companions: Companion, unless: bool = False) -> Rule:
    excepted = holds_logs if unless else None
    return Rule(name, controls, says, fix, types=(BUCKET,), companions=companions, unless=excepted)


RULES = (
    _bucket(
        "bucket-not-public",
        "S3.1, S3.8, CloudTrail.6, CIS 3.1.4",
        "A bucket blocks everything that would make it public",
        "Add aws.s3.BucketPublicAccessBlock with all four on",
        _about("BucketPublicAccessBlock", *(Must(key, TRUE) for key in BLOCKS)),
    ),
    Rule(
        "account-not-public",
        "S3.1",
        "The account blocks everything that would make a bucket public",
        "Set all four of aws.s3.AccountPublicAccessBlock",
        {"aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock": tuple(Must(key, TRUE) for key in BLOCKS)},
    ),
    Rule(
        "bucket-tls",
        "S3.5, CIS 3.1.1",
        "A bucket refuses requests without TLS",
        "Deny s3:* on bucket and objects to everybody where aws:SecureTransport is false",
        types=(BUCKET,),
        stack_check=tls_alone,
    ),
    _bucket(
        "bucket-access-logged",
        "S3.9, CloudTrail.7",
        "Who reads a bucket is logged; the logs' own bucket excepted",
        "Add aws.s3.BucketLogging with the access logs' bucket as its target",
        _about("BucketLogging", Must("targetBucket", GIVEN)),
        unless=True,
    ),
    _bucket(
        "bucket-lifecycle",
        "S3.10, S3.13",
        "A bucket's objects and old versions end, and uploads that were given up",
        "Add aws.s3.BucketLifecycleConfiguration with rules that are Enabled and cover versions and uploads",
        _about(
            "BucketLifecycleConfiguration",
            Must("rules.*.status", is_("Enabled")),
            Must("rules.*.abortIncompleteMultipartUpload.daysAfterInitiation", at_least(1)),
            Must("rules.*.noncurrentVersionExpiration.noncurrentDays", at_least(1)),
        ),
    ),
    _bucket(
        "bucket-no-acls",
        "S3.12",
        "Nobody is let into a bucket by ACL",
        "Add aws.s3.BucketOwnershipControls with BucketOwnerEnforced",
        _about("BucketOwnershipControls", Must("rule.objectOwnership", is_("BucketOwnerEnforced"))),
    ),
    _bucket(
        "bucket-versioned",
        "S3.14",
        "What is overwritten or deleted in a bucket is kept as a version",
        "Add aws.s3.BucketVersioning with status Enabled",
        _about("BucketVersioning", Must("versioningConfiguration.status", is_("Enabled", "Suspended"))),
    ),
    Rule(
        "archive-locked",
        "S3.15",
        "Nobody at all can delete digests and exports before their time",
        "Enable Object Lock on the bucket; default retention in COMPLIANCE mode (rewards:archiveLockDays)",
        types=(BUCKET,),
        stack_check=locked,
        config={"days": {"type": "integer", "minimum": 1, "default": 2557}},
    ),
    _bucket(
        "bucket-encrypted",
        "S3.17",
        "A bucket's objects are encrypted under a key of ours; the access logs' bucket excepted",
        "Add aws.s3.BucketServerSideEncryptionConfiguration with aws:kms and a key of ours",
        _about(
            "BucketServerSideEncryptionConfiguration",
            Must("rules.*.applyServerSideEncryptionByDefault.sseAlgorithm", is_("aws:kms", "AES256")),
            Must("rules.*.applyServerSideEncryptionByDefault.kmsMasterKeyId", GIVEN),
        ),
        unless=True,
    ),
    Rule(
        "bucket-is-no-site",
        "S3.2, S3.3, own.front-door",
        "A bucket is neither a web site nor let to anybody by ACL",
        "Remove acl, grants and website; the shop's pages come from its services",
        {
            BUCKET: (
                Must("acl", is_("private", "public-read", "public-read-write"), default="private"),
                Must("grants", NOTHING),
                Must("website", NOTHING),
            )
        },
        severity=Severity.CRITICAL,
        refuses=tuple(
            f"aws:s3/bucket{kind}:Bucket{kind}"
            for kind in ("Acl", "AclV2", "WebsiteConfiguration", "WebsiteConfigurationV2")
        ),
    ),
    Rule(
        "contents-kept",
        "own.deletion-protection",
        "What is full is not deleted with its contents, and a secret can be brought back",
        "Set rewards:deletionProtection",
        {
            BUCKET: (Must("forceDestroy", FALSE, default=False),),
            "aws:backup/vault:Vault": (Must("forceDestroy", FALSE, default=False),),
            "aws:cognito/userPool:UserPool": (Must("deletionProtection", is_("ACTIVE", "INACTIVE")),),
            "aws:ecr/repository:Repository": (Must("forceDelete", FALSE, default=False),),
            "aws:kinesis/stream:Stream": (Must("enforceConsumerDeletion", FALSE, default=False),),
            "aws:kms/key:Key": (Must("deletionWindowInDays", at_least(30), default=30),),
            "aws:redshift/cluster:Cluster": (Must("skipFinalSnapshot", FALSE, default=False),),
            "aws:secretsmanager/secret:Secret": (Must("recoveryWindowInDays", at_least(7), default=30),),
        },
        severity=Severity.HIGH,
    ),
)
