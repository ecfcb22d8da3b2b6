"""Policy rules for KMS keys and IAM: who may assume roles, and to whom resources' policies grant access."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Severity
from pulumi_policy.proxy import UnknownValueError

from policies.rules import permissions
from policies.rules.documents import EVERYWHERE, grants, names_its_source, principals
from policies.rules.managed import MANAGED, name_of
from policies.rules.properties import GIVEN, TRUE, Must, is_list, items, matches, value
from policies.rules.rule import Config, Rule, Subject

KEY = "aws:kms/key:Key"
ROLE = "aws:iam/role:Role"
PLANNED = "123456789012"
"""The account of AWS's own examples, which nobody has: plans are recorded as of it."""
_ACCOUNT = re.compile(
    r"(?:arn:aws[\w-]*:[\w.-]*:[\w*-]*:|amazonaws\.com/|(?<![\w.:/-]))(\d{12})(?=[:/]|\.dkr\.ecr\.|(?![\w.-]))"
)
_NAMING = re.compile(r"polic|principal|account|owner|grantee|role|arn|layer|image", re.IGNORECASE)
ATTACHING = (
    ROLE,
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:iam/policyAttachment:PolicyAttachment",
    "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive",
)
USERS = (
    *("User", "AccessKey", "UserLoginProfile", "UserPolicy", "UserPolicyAttachment", "UserGroupMembership"),
    *("UserPoliciesExclusive", "UserPolicyAttachmentsExclusive", "Group", "GroupMembership", "GroupPolicy"),
    *("GroupPolicyAttachment", "GroupPoliciesExclusive", "GroupPolicyAttachmentsExclusive", "SshKey"),
    *("ServiceSpecificCredential", "SigningCertificate", "ServerCertificate", "VirtualMfaDevice"),
)
_MANAGED = ("policyArn", "policyArns", "managedPolicyArn", "managedPolicyArns")


def everybody(subject: Subject, _: Config) -> Iterator[str]:
    for statement in grants(subject.props):
        kinds = statement.get("Principal")
        everyone = any(
            "*" in principals(statement, kind) for kind in (kinds if isinstance(kinds, Mapping) else ["AWS"])
        )
        if everyone or items(statement, "NotPrincipal"):
            yield f"everybody may {', '.join(map(str, items(statement, 'Action') or ['do all but what it names']))}"


def confused_deputy(subject: Subject, _: Config) -> Iterator[str]:
    for statement in grants(subject.props):
        for service in principals(statement, "Service"):
            if service != "*" and not names_its_source(statement):
                yield f"{service} may act for other accounts: name aws:SourceAccount or aws:SourceArn"


def trusted_account(subject: Subject, _: Config) -> Iterator[str]:
    for statement in grants(subject.props):
        for who in principals(statement, "AWS"):
            if not re.fullmatch(r"\d{12}|arn:aws:(iam|sts):[a-z0-9-]*:\d{12}:.+", who):
                yield f"it trusts {who}, which names no account"
        for kind in ("Federated", "CanonicalUser"):
            yield from (f"it trusts {who} ({kind}), which names no account" for who in _of(statement, kind))


def _of(statement: Mapping[str, Any], kind: str) -> list[str]:
    return [who for who in principals(statement, kind) if who != "*"]


def foreign(subject: Subject, config: Config) -> Iterator[str]:
    """Yields a violation for each AWS account id in a resource's properties that is not one of our accounts."""
    unknown: UnknownValueError | None = None
    ours = {PLANNED, *config["accounts"]}
    accounts: set[str] = set()
    for key in subject.props:
        for text in _texts(subject.props, key):
            if isinstance(text, UnknownValueError):
                unknown = text if _NAMING.search(key) else unknown
            else:
                accounts.update(_ACCOUNT.findall(text))
    yield from (f"it names account {account}, which is not ours" for account in sorted(accounts - ours))
    if unknown:
        raise unknown


def _texts(held: Any, key: Any) -> Iterator[str | UnknownValueError]:
    """Yields every text below the property `key`, at any depth; for an unknown value, the error that reading raises."""
    try:
        content = held[key]
    except UnknownValueError as unknown:
        yield unknown
        return
    if isinstance(content, str):
        yield content
    elif isinstance(content, Mapping):
        yield from content
    if isinstance(content, Mapping) or is_list(content):
        for inner in content if isinstance(content, Mapping) else range(len(content)):
            yield from _texts(content, inner)


def rotated(subject: Subject, _: Config) -> Iterator[str]:
    """Yields a violation if a symmetric KMS key is not rotated; AWS does not rotate asymmetric keys."""
    if value(subject.props, "keyUsage") in {None, "ENCRYPT_DECRYPT"}:
        yield from Must("enableKeyRotation", TRUE).faults(subject.props)


def bounded(subject: Subject, _: Config) -> Iterator[str]:
    if subject.is_preview:
        yield from Must("permissionsBoundary", matches(r":\d{12}:", "a boundary of ours", "")).faults(subject.props)


def administered(subject: Subject, config: Config) -> Iterator[str]:
    for policy in (str(policy) for key in _MANAGED for policy in items(subject.props, key)):
        name = name_of(policy)
        if name and name not in [*MANAGED, *config["managed"]]:
            yield f"{name} is attached"


CRITICAL, HIGH = Severity.CRITICAL, Severity.HIGH

KMS = (
    permissions.KEYS,
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
    *permissions.RULES,
    Rule(
        "role-no-administrator",
        "IAM.1, CIS 2.14",
        "No role, user or group takes a policy of AWS's that administers the account or a service",
        "Write a policy with the actions that are needed, or name AWS's among the policy's managed ones",
        severity=HIGH,
        types=ATTACHING,
        check=administered,
        config={"managed": {"type": "array", "items": {"type": "string"}, "default": []}},
    ),
    Rule(
        "no-iam-users",
        "IAM.8, own.no-users",
        "Nobody signs in to AWS by a user, password or key that this program makes",
        "Remove the user, group, key or password: people sign in by IAM Identity Center, programs take a role",
        severity=CRITICAL,
        refuses=tuple(f"aws:iam/{kind[0].lower()}{kind[1:]}:{kind}" for kind in USERS),
    ),
    Rule(
        "no-identity-providers",
        "own.pod-identity",
        "No identities of others take roles: pods have EKS Pod Identity, members the shop's own sign-in",
        "Remove the provider; use aws.eks.PodIdentityAssociation for pods, roles of our accounts for everybody else",
        severity=HIGH,
        refuses=(
            "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
            "aws:iam/samlProvider:SamlProvider",
            "aws:eks/identityProviderConfig:IdentityProviderConfig",
            "aws:rolesanywhere/",
            "aws:cognito/identityPool:IdentityPool",
        ),
    ),
    Rule(
        "resource-not-for-everybody",
        "own.no-public-principal, CIS 2.21, SNS.4",
        "No resource and no role is open to everybody",
        "Name the principals",
        severity=CRITICAL,
        types=EVERYWHERE,
        check=everybody,
    ),
    Rule(
        "account-is-ours",
        "own.foreign-account",
        "No account is let in, or taken from, that a setting does not name",
        "Remove it, or name it in accounts of account-is-ours in policies/config if it is ours",
        severity=CRITICAL,
        types=(*EVERYWHERE, "eks:", "kubernetes:", "pulumi:providers:aws"),
        check=foreign,
        config={"accounts": {"type": "array", "items": {"type": "string", "pattern": r"^\d{12}$"}, "default": []}},
    ),
    Rule(
        "service-acts-for-us-alone",
        "own.confused-deputy",
        "A service that is let in acts for our account alone",
        "Add a condition on aws:SourceAccount or aws:SourceArn",
        severity=HIGH,
        types=EVERYWHERE,
        check=confused_deputy,
    ),
    Rule(
        "trust-names-an-account",
        "own.trust-names-account",
        "Who is let in, or may take a role, is of an account that is named",
        "Name a principal's ARN or an account's number",
        severity=HIGH,
        types=EVERYWHERE,
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
