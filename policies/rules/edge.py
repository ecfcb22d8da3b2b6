"""Policy rules for the load balancer and its firewall, for secrets and queues, and for members' login."""

from collections.abc import Iterator

from pulumi_policy import Severity

from policies.rules.properties import (
    GIVEN,
    TRUE,
    Condition,
    Must,
    at_least,
    between,
    count_at_least,
    is_,
    items,
    matches,
    none_of,
    one_of,
    value,
)
from policies.rules.rule import Companion, Config, Rule, Subject

BALANCER = "aws:lb/loadBalancer:LoadBalancer"
LISTENER = "aws:lb/listener:Listener"
FIREWALL = "aws:wafv2/webAcl:WebAcl"
SECRET = "aws:secretsmanager/secret:Secret"  # noqa: S105
ROTATION = "aws:secretsmanager/secretRotation:SecretRotation"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
QUEUE = "aws:sqs/queue:Queue"


CODE_ALONE = Condition("code alone", lambda it: set(it or ()) <= {"code"}, (["implicit"],))


def redirects(subject: Subject, _: Config) -> Iterator[str]:
    if value(subject.props, "protocol") == "HTTP":
        for action in items(subject.props, "defaultActions"):
            if value(action, "redirect.protocol") != "HTTPS":
                yield "it answers HTTP with something else than a redirect to HTTPS"


def modern_tls(subject: Subject, _: Config) -> Iterator[str]:
    if value(subject.props, "protocol") == "HTTPS":
        yield from Must("sslPolicy", matches(r"TLS13-1-[23]", "TLS 1.2 or later")).faults(subject.props)


def metrics(subject: Subject, _: Config) -> Iterator[str]:
    for place in (subject.props, *items(subject.props, "rules")):
        yield from Must("visibilityConfig.cloudwatchMetricsEnabled", TRUE).faults(place)


def firewall_rules(subject: Subject, _: Config) -> Iterator[str]:
    """Yields violations if no rule of a web firewall (WAF) blocks requests, or if some rules only count requests."""
    rules = items(subject.props, "rules")
    if not any(
        value(rule, "overrideAction.none") is not None or value(rule, "action.block") is not None for rule in rules
    ):
        yield "no rule of it blocks anything"
    yield from (f"rule {rule['name']} only counts" for rule in rules if value(rule, "overrideAction.count") is not None)


def queue_encrypted(subject: Subject, _: Config) -> Iterator[str]:
    if not value(subject.props, "kmsMasterKeyId") and value(subject.props, "sqsManagedSseEnabled") is not True:
        yield "it is not encrypted"


EDGE = (
    Rule(
        "firewall-rules",
        "WAF.10",
        "A firewall has rules, and they block",
        "Add managed rule groups; override none",
        types=(FIREWALL,),
        check=firewall_rules,
    ),
    Rule(
        "firewall-logged",
        "WAF.11",
        "What a firewall decides is logged",
        "Add aws.wafv2.WebAclLoggingConfiguration about it",
        severity=Severity.LOW,
        types=(FIREWALL,),
        companions=(
            Companion(
                "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration",
                "resourceArn",
                (Must("logDestinationConfigs", GIVEN),),
            ),
        ),
    ),
    Rule(
        "firewall-metrics",
        "WAF.12",
        "What a firewall's rules do is counted",
        "Set cloudwatch_metrics_enabled on it and on every rule",
        types=(FIREWALL,),
        check=metrics,
    ),
    Rule(
        "balancer-redirects",
        "ELB.1",
        "HTTP is answered by a redirect to HTTPS",
        "Make the listener's default action a redirect to HTTPS",
        types=(LISTENER,),
        check=redirects,
    ),
    Rule(
        "balancer-tls",
        "ELB.17",
        "HTTPS is TLS 1.2 or later",
        "Set ssl_policy to ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
        types=(LISTENER,),
        check=modern_tls,
    ),
    Rule(
        "balancer-headers",
        "ELB.4",
        "Headers that are none are dropped",
        "Set drop_invalid_header_fields to True",
        {BALANCER: (Must("dropInvalidHeaderFields", TRUE),)},
    ),
    Rule(
        "balancer-logs",
        "ELB.5",
        "Requests are logged",
        "Set access_logs with a bucket, enabled",
        {BALANCER: (Must("accessLogs.enabled", TRUE), Must("accessLogs.bucket", GIVEN))},
    ),
    Rule(
        "balancer-deletion-protected",
        "ELB.6",
        "The load balancer refuses to be deleted",
        "Set enable_deletion_protection (rewards:deletionProtection)",
        {BALANCER: (Must("enableDeletionProtection", TRUE),)},
    ),
    Rule(
        "balancer-desync",
        "ELB.12",
        "Requests that two servers would read differently are refused",
        "Set desync_mitigation_mode to defensive or strictest",
        {BALANCER: (Must("desyncMitigationMode", one_of("defensive", "strictest"), default="defensive"),)},
    ),
    Rule(
        "balancer-zones",
        "ELB.13",
        "The load balancer stands in two zones, and traffic can be shifted out of one",
        "Give it subnets in two zones or more; enable_zonal_shift",
        {BALANCER: (Must("subnets", count_at_least(2)), Must("enableZonalShift", TRUE))},
    ),
    Rule(
        "balancer-firewall",
        "ELB.16",
        "The load balancer stands behind a firewall",
        "Add aws.wafv2.WebAclAssociation about it",
        types=(BALANCER,),
        companions=(
            Companion("aws:wafv2/webAclAssociation:WebAclAssociation", "resourceArn", (Must("webAclArn", GIVEN),)),
        ),
    ),
)

SECRETS = (
    Rule(
        "secret-rotated",
        "SecretsManager.1",
        "A secret is changed by itself",
        "Add aws.secretsmanager.SecretRotation about it",
        types=(SECRET,),
        companions=(Companion(ROTATION, "secretId"),),
    ),
    Rule(
        "secret-rotated-often",
        "SecretsManager.4",
        "A secret is changed every 90 days at the latest",
        "Set automatically_after_days to 90 or less",
        {ROTATION: (Must("rotationRules.automaticallyAfterDays", between(1, 90)),)},
    ),
    Rule(
        "queue-encrypted",
        "SQS.1",
        "A queue is encrypted",
        "Name a KMS key in kms_master_key_id",
        types=(QUEUE,),
        check=queue_encrypted,
    ),
    Rule(
        "topic-encrypted",
        "SNS.1",
        "A topic is encrypted under a key of ours",
        "Name a key of ours in kms_master_key_id",
        {"aws:sns/topic:Topic": (Must("kmsMasterKeyId", none_of("alias/aws/sns")),)},
    ),
    Rule(
        "topic-tells-ours",
        "own.topic-subscribers",
        "What a topic tells stays in the account, or goes to a person by e-mail",
        "Set protocol to email, sqs, lambda or firehose",
        {
            "aws:sns/topicSubscription:TopicSubscription": (
                Must("protocol", one_of("email", "sqs", "lambda", "firehose")),
            )
        },
        severity=Severity.HIGH,
    ),
    Rule(
        "keys-of-ours",
        "own.keys-of-ours",
        "Secrets, schedules and backups are encrypted under a key of ours",
        "Name a KMS key",
        {
            SECRET: (Must("kmsKeyId", GIVEN),),
            "aws:scheduler/schedule:Schedule": (Must("kmsKeyArn", GIVEN),),
            "aws:backup/vault:Vault": (Must("kmsKeyArn", GIVEN),),
        },
    ),
)

MEMBERS = (
    Rule(
        "members-login",
        "Cognito.3, Cognito.5",
        "Members' passwords are long, a second factor can be had, and nobody learns who is a member",
        "Set the password policy, MFA, prevent_user_existence_errors, token revocation; sign-in by code, over https",
        {
            "aws:cognito/userPool:UserPool": (
                Must("passwordPolicy.minimumLength", at_least(14)),
                Must("mfaConfiguration", one_of("OPTIONAL", "ON")),
                Must("softwareTokenMfaConfiguration.enabled", TRUE),
            ),
            "aws:cognito/userPoolClient:UserPoolClient": (
                Must("preventUserExistenceErrors", is_("ENABLED", "LEGACY")),
                Must("enableTokenRevocation", TRUE, default=True),
                Must("accessTokenValidity", between(5, 60)),
                Must("allowedOauthFlows", CODE_ALONE),
                Must("callbackUrls.*", matches("^https://", "an address with https", "http://it"), default="https://"),
            ),
        },
    ),
)
