"""IAM and KMS: who may do what, for whom, and under which keys."""

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
        everywhere = any(_ALL_KEYS.fullmatch(one) for one in items(statement, "Resource"))
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
    """AWS rotates symmetric keys alone."""
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
        name="keys-not-all-decrypted",
        controls=("KMS.1", "KMS.2"),
        severity=MEDIUM,
        says="Nobody decrypts under every key",
        fix="Name the keys' ARNs",
        types=tuple(IDENTITY),
        check=decrypts_all,
    ),
    Rule(
        name="key-rotated",
        controls=("KMS.4", "CIS 4.6"),
        severity=MEDIUM,
        says="A key that encrypts is changed every year",
        fix="Set enable_key_rotation to True",
        types=(KEY,),
        check=rotated,
    ),
    Rule(
        name="key-policy",
        controls=("KMS.5", "own.key-policy"),
        severity=CRITICAL,
        says="A key has a policy, and not one for everybody",
        fix="Set policy; name accounts, roles or services in it",
        types=(KEY,),
        musts={KEY: (Must("policy", GIVEN),)},
        check=everybody,
    ),
)

IAM = (
    Rule(
        name="policy-not-everything",
        controls=("IAM.1", "CIS 2.14"),
        severity=HIGH,
        says="No policy allows everything",
        fix="Name actions and resources",
        types=tuple(IDENTITY),
        check=everything,
    ),
    Rule(
        name="role-no-administrator",
        controls=("IAM.1", "CIS 2.14"),
        severity=HIGH,
        says="No role of ours administers the account",
        fix="Attach a policy with the actions that are needed",
        types=("aws:iam/rolePolicyAttachment:RolePolicyAttachment",),
        check=administered,
    ),
    Rule(
        name="policy-no-whole-service",
        controls=("IAM.21",),
        severity=Severity.LOW,
        says="No policy allows all of a service",
        fix="Name the actions",
        types=tuple(IDENTITY),
        check=whole_services,
    ),
    Rule(
        name="resource-not-for-everybody",
        controls=("own.no-public-principal", "CIS 2.21", "SNS.4"),
        severity=CRITICAL,
        says="No resource and no role is open to everybody",
        fix="Name the principals",
        types=tuple(RESOURCE),
        check=everybody,
    ),
    Rule(
        name="service-acts-for-us-alone",
        controls=("own.confused-deputy",),
        severity=HIGH,
        says="A service that is let in acts for our account alone",
        fix="Add a condition on aws:SourceAccount or aws:SourceArn",
        types=tuple(RESOURCE),
        check=confused_deputy,
    ),
    Rule(
        name="trust-names-an-account",
        controls=("own.trust-names-account",),
        severity=HIGH,
        says="Who may take a role is of an account that is named",
        fix="Name a principal's ARN or an account's number",
        types=(ROLE,),
        check=trusted_account,
    ),
    Rule(
        name="preview-role-bounded",
        controls=("own.preview-boundary",),
        severity=HIGH,
        says="A preview's roles can't pass the boundary",
        fix="Set permissions_boundary to what base exports as previewBoundaryArn",
        types=(ROLE,),
        check=bounded,
    ),
)
