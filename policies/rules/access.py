"""IAM and KMS: permissions, trust and keys."""

import re
from collections.abc import Iterator

from pulumi_policy import Severity

from policies.rules.documents import IDENTITY, RESOURCE, names_its_source, principals, statements
from policies.rules.properties import GIVEN, TRUE, Must, items, value
from policies.rules.rule import Config, Rule, Subject

KEY = "aws:kms/key:Key"
ROLE = "aws:iam/role:Role"
_ALL_KEYS = re.compile(r"\*|arn:aws:kms:[^:]*:[^:]*:(\*|key/\*)")
_DECRYPTING = {"*", "kms:*", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncrypt*", "kms:D*"}


def decrypts_all(subject: Subject, _: Config) -> Iterator[str]:
    for statement in statements(subject.props, IDENTITY[subject.type]):
        everywhere = any(_ALL_KEYS.fullmatch(resource) for resource in items(statement, "Resource"))
        if everywhere and _DECRYPTING & set(items(statement, "Action")):
            yield "it decrypts under every key"


def everything(subject: Subject, _: Config) -> Iterator[str]:
    for statement in statements(subject.props, IDENTITY[subject.type]):
        if {"*", "*:*"} & set(items(statement, "Action")) and "*" in items(statement, "Resource"):
            yield "it may do everything"
        if items(statement, "NotAction"):
            yield "it may do everything but what it names"


def whole_services(subject: Subject, _: Config) -> Iterator[str]:
    for statement in statements(subject.props, IDENTITY[subject.type]):
        for action in items(statement, "Action"):
            if re.fullmatch(r"[a-z0-9-]+:\*", action):
                yield f"it may do all of {action}"


def everybody(subject: Subject, _: Config) -> Iterator[str]:
    for statement in statements(subject.props, RESOURCE[subject.type]):
        if "*" in principals(statement, "AWS") or items(statement, "NotPrincipal"):
            yield f"everybody may {', '.join(map(str, items(statement, 'Action')))}"


def confused_deputy(subject: Subject, _: Config) -> Iterator[str]:
    for statement in statements(subject.props, RESOURCE[subject.type]):
        for service in principals(statement, "Service"):
            if service != "*" and not names_its_source(statement):
                yield f"{service} may act for other accounts: name aws:SourceAccount or aws:SourceArn"


def trusted_account(subject: Subject, _: Config) -> Iterator[str]:
    for statement in statements(subject.props, RESOURCE[subject.type]):
        for who in principals(statement, "AWS"):
            if not re.fullmatch(r"\d{12}|arn:aws:(iam|sts)::\d{12}:.+", who):
                yield f"it trusts {who}, which names no account"


def rotated(subject: Subject, _: Config) -> Iterator[str]:
    """AWS rotates only symmetric keys."""
    if value(subject.props, "keyUsage") in {None, "ENCRYPT_DECRYPT"}:
        yield from Must("enableKeyRotation", TRUE).faults(subject.props)


def bounded(subject: Subject, _: Config) -> Iterator[str]:
    if subject.is_preview:
        yield from Must("permissionsBoundary", GIVEN).faults(subject.props)


def administered(subject: Subject, _: Config) -> Iterator[str]:
    for role in (value(subject.props, "policyArn"),):
        if role in {"arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::aws:policy/PowerUserAccess"}:
            yield f"{role.rsplit('/', 1)[-1]} is attached"


CRITICAL, HIGH, MEDIUM = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM

KMS = (
    Rule(
        "keys-not-all-decrypted",
        "KMS.1, KMS.2",
        "Nobody decrypts under every key",
        "Name the keys' ARNs",
        types=tuple(IDENTITY),
        check=decrypts_all,
    ),
    Rule(
        "key-rotated",
        "KMS.4, CIS 4.6",
        "A key that encrypts is changed every year",
        "Set enable_key_rotation to True",
        types=(KEY,),
        check=rotated,
    ),
    Rule(
        "key-policy",
        "KMS.5, own.key-policy",
        "A key has a policy, and not one for everybody",
        "Set policy; name accounts, roles or services in it",
        {KEY: (Must("policy", GIVEN),)},
        severity=CRITICAL,
        types=(KEY,),
        check=everybody,
    ),
)

IAM = (
    Rule(
        "policy-not-everything",
        "IAM.1, CIS 2.14",
        "No policy allows everything",
        "Name actions and resources",
        severity=HIGH,
        types=tuple(IDENTITY),
        check=everything,
    ),
    Rule(
        "role-no-administrator",
        "IAM.1, CIS 2.14",
        "No role of ours administers the account",
        "Attach a policy with the actions that are needed",
        severity=HIGH,
        types=("aws:iam/rolePolicyAttachment:RolePolicyAttachment",),
        check=administered,
    ),
    Rule(
        "policy-no-whole-service",
        "IAM.21",
        "No policy allows all of a service",
        "Name the actions",
        severity=Severity.LOW,
        types=tuple(IDENTITY),
        check=whole_services,
    ),
    Rule(
        "resource-not-for-everybody",
        "own.no-public-principal, CIS 2.21, SNS.4",
        "No resource and no role is open to everybody",
        "Name the principals",
        severity=CRITICAL,
        types=tuple(RESOURCE),
        check=everybody,
    ),
    Rule(
        "service-acts-for-us-alone",
        "own.confused-deputy",
        "A service that is let in acts for our account alone",
        "Add a condition on aws:SourceAccount or aws:SourceArn",
        severity=HIGH,
        types=tuple(RESOURCE),
        check=confused_deputy,
    ),
    Rule(
        "trust-names-an-account",
        "own.trust-names-account",
        "Who may take a role is of an account that is named",
        "Name a principal's ARN or an account's number",
        severity=HIGH,
        types=(ROLE,),
        check=trusted_account,
    ),
    Rule(
        "preview-role-bounded",
        "own.preview-boundary",
        "A preview's roles can't pass the boundary",
        "Set permissions_boundary to what base exports as previewBoundaryArn",
        severity=HIGH,
        types=(ROLE,),
        check=bounded,
    ),
)
