"""Policy rules for what roles, users and groups may do: identity-based IAM policies, in any type of resource."""

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from pulumi_policy import Severity

from policies.rules.actions import Action, expanded, is_whole_service
from policies.rules.documents import EVERYWHERE, Statement, is_of_identity, permissions, statements
from policies.rules.managed import MANAGED, name_of
from policies.rules.properties import items
from policies.rules.rule import Config, Rule, Subject

_DECRYPTING = {"kms:Decrypt", "kms:ReEncryptFrom", "*", "*:*"}
# A pattern is a verb, or more, with a star behind: Describe*, GetBucket*.
_PATTERN = re.compile(r"[a-z0-9-]+:([A-Z][A-Za-z0-9]+)\*")
_ONLY_WILDCARDS = re.compile(r"[*?/:]*\*[*?/:]*")
# Conditions that narrow what a role's rights, given away on all roles of an account, can become.
_NARROWING = {"iam:passedtoservice", "iam:permissionsboundary", "iam:policyarn"}
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com")
# Before its first wildcard, the name of a resource has a whole word and a separator: `rewards-prod-*`, `feeds/*`.
_FIXED = re.compile(r"[^*?]*\w{3,}[-_/:.]")
# A build in the VPC gets a network interface, whose id nobody knows before.
_INTERFACES = {
    f"ec2:{verb}" for verb in ("CreateNetworkInterface", "CreateNetworkInterfacePermission", "DeleteNetworkInterface")
}
# What no deployer needs: to read secrets, or to log in to a database.
_READING = re.compile(r"secretsmanager:(Batch)?GetSecretValue|(rds-db|dsql):.*connect.*", re.IGNORECASE)
_POSITIVE = {"stringequals", "stringlike", "arnequals", "arnlike"}


def _allowed(statement: Statement) -> Iterator[Action]:
    for pattern in items(statement, "Action"):
        yield from expanded(pattern)


def _name(resource: str) -> str:
    """Returns the name in an ARN: what follows partition, service, region, account and kind (`role/`)."""
    parts = resource.split(":", 5)
    if len(parts) == 6 and parts[2] != "s3":  # whose ARNs begin with the bucket, not with a kind
        return re.sub(r"^[a-z-]+[/:]", "", parts[-1])
    return parts[-1]


def is_all(resource: str) -> bool:
    """Returns whether an ARN names all resources of a kind, in one account or in all: `*`, `arn:aws:iam::1:role/*`."""
    return _ONLY_WILDCARDS.fullmatch(_name(resource)) is not None


def is_broad(resource: str) -> bool:
    """Returns whether an ARN's name has a wildcard in its first word: `role/*` and `role/r*`, not `role/feeds-*`."""
    name = _name(resource)
    return bool(re.search(r"[*?]", name)) and not _FIXED.match(name)


def is_of_any_account(resource: str) -> bool:
    return "*" in ["*", *resource.split(":", 5)][-2]


def is_everywhere(resource: str) -> bool:
    """Returns whether an ARN names every resource of every account: `*`, `arn:aws:s3:::*`, `arn:aws:iam::*:role/*`."""
    account, named = ["*", *resource.split(":", 5)][-2:]
    return is_all(resource) and ("*" in account or (not account and _ONLY_WILDCARDS.fullmatch(named) is not None))


def decrypts_all(subject: Subject, _: Config) -> Iterator[str]:
    for statement in permissions(subject.props):
        if any(map(is_all, items(statement, "Resource"))) and _DECRYPTING & {it.name for it in _allowed(statement)}:
            yield "it decrypts under every key"


def everything(subject: Subject, _: Config) -> Iterator[str]:
    for statement in permissions(subject.props):
        if any("*" in action.partition(":")[0] for action in items(statement, "Action")):
            yield "it may do everything"
    for statement in statements(subject.props):
        for key in ("NotAction", "NotResource"):
            if items(statement, key):
                yield f"{key}: it may do everything but what it names"


def all_of_a_service(subject: Subject, _: Config) -> Iterator[str]:
    for statement in permissions(subject.props):
        for pattern in items(statement, "Action"):
            if is_whole_service(pattern):
                yield f"it may do all of {pattern}"


def vague(subject: Subject, _: Config) -> Iterator[str]:
    for statement in permissions(subject.props):
        for pattern in items(statement, "Action"):
            if re.search(r"[*?]", pattern) and not _begins_with_words(pattern):
                yield f"{pattern} is {', '.join(_names(pattern))}"


def _begins_with_words(pattern: str) -> bool:
    """Returns whether a pattern's only wildcard is a star after whole words, as in `Describe*` and `GetBucket*`."""
    words = _PATTERN.fullmatch(pattern)
    ends = [action.name.partition(":")[2][len(words[1]) :] for action in expanded(pattern)] if words else []
    return bool(words) and not any(end[:1].islower() and end[0] != "s" for end in ends)


def _names(pattern: str, most: int = 4) -> list[str]:
    names = [action.name for action in expanded(pattern)]
    return names[:most] + [f"{len(names) - most} more"] * (len(names) > most)


def everywhere(subject: Subject, config: Config) -> Iterator[str]:
    """Yields a violation for each action allowed on every resource of a kind, though IAM can limit it to named ones.

    Policies that the setting `deployers` names may do so in one account: they make resources whose names come later.
    """
    deploys = subject.name in [*config["deployers"]]
    for statement in permissions(subject.props):
        resources = items(statement, "Resource")
        abroad = any(map(is_everywhere, resources))
        for action in _allowed(statement) if abroad or any(map(is_broad, resources)) else ():
            if not action.is_narrowable or action.only_looks:
                continue
            if abroad or _READING.fullmatch(action.name) or not (deploys or action.name in _INTERFACES):
                yield f"it may {action.name} on every resource"


def rights(subject: Subject, config: Config) -> Iterator[str]:
    """Yields a violation for each allowed action with which a role could get any permission in the account.

    On many roles of one account, such an action is allowed only if a condition narrows it, or if a Deny without
    condition covers the same resources, or the roles that the setting `guarded` names.
    """
    denials = [it for it in statements(subject.props, "Deny") if is_of_identity(it) and not it.get("Condition")]
    for statement in permissions(subject.props):
        broad = [it for it in items(statement, "Resource") if _is_any_of(it, config) or is_of_any_account(it)]
        abroad = any(map(is_of_any_account, broad))
        denied = {action.name for denial in denials if _covers(denial, broad, config) for action in _allowed(denial)}
        for action in _allowed(statement) if broad else ():
            if action.gives_rights and (abroad or not (_is_narrowed(statement) or action.name in denied)):
                yield f"{action.name} on {', '.join(broad)} gives or takes any right"


def _is_any_of(resource: str, config: Config) -> bool:
    """Returns whether an ARN has a wildcard and its name begins with none of our own prefixes."""
    name = _name(resource)
    return bool(re.search(r"[*?]", name)) and not name.startswith((*config["prefixes"],))


def _covers(denial: Statement, broad: list[str], config: Config) -> bool:
    """Returns whether a Deny covers all the resources in `broad`, or roles that the setting `guarded` names."""
    resources = items(denial, "Resource")
    guarded = any(fnmatchcase(name, _name(it)) for it in resources if ":role/" in it for name in config["guarded"])
    return guarded or all(any(fnmatchcase(allowed, it) for it in resources) for allowed in broad)


def _is_narrowed(statement: Statement) -> bool:
    conditions: Mapping[str, Mapping[str, Any]] = statement.get("Condition") or {}
    return any(
        key.lower() in _NARROWING
        and items(test, key)
        and all(_is_narrow(key.lower(), str(it)) for it in items(test, key))
        for operator, test in conditions.items()
        for key in test
        if operator.lower() in _POSITIVE
    )


def _is_narrow(key: str, limit: str) -> bool:
    """Returns whether a condition's value is an AWS service, one of our accounts' policies, or one in MANAGED."""
    if key == "iam:passedtoservice":
        return _SERVICE.fullmatch(limit) is not None
    is_ours = bool(re.search(r":\d{12}:", limit)) and not is_broad(limit)
    return is_ours or (key == "iam:policyarn" and name_of(limit) in MANAGED)


# The policies of the pipelines' builds that make layers and previews: pipelines/layer_permissions.py.
DEPLOYERS = ["runner", "up-base", "up-data", "preview-up", "preview-down", "preview-expired"]
TEXTS = {"type": "array", "items": {"type": "string"}}
HIGH = Severity.HIGH

KEYS = Rule(
    "keys-not-all-decrypted",
    "KMS.1, KMS.2",
    "Nobody decrypts under every key",
    "Name the keys' ARNs",
    types=EVERYWHERE,
    check=decrypts_all,
)
RULES = (
    Rule(
        "policy-not-everything",
        "IAM.1, CIS 2.14",
        "No policy allows everything, or everything but what it names",
        "Name actions and resources; no NotAction, no NotResource",
        severity=HIGH,
        types=EVERYWHERE,
        check=everything,
    ),
    Rule(
        "policy-no-whole-service",
        "IAM.21",
        "No policy allows all of a service",
        "Name the actions",
        severity=Severity.LOW,
        types=EVERYWHERE,
        check=all_of_a_service,
    ),
    Rule(
        "policy-names-actions",
        "own.actions-named",
        "A wildcard in an action stands behind whole words alone, so that a reader sees what is allowed",
        "Name the actions, or a verb with a star behind it (s3:GetBucket*)",
        severity=HIGH,
        types=EVERYWHERE,
        check=vague,
    ),
    Rule(
        "policy-names-resources",
        "own.resources-named",
        "An action whose resources can be named is allowed on those alone",
        "Name the resources' ARNs; a wildcard stands behind a whole word of the name",
        severity=HIGH,
        types=EVERYWHERE,
        check=everywhere,
        config={"deployers": {**TEXTS, "default": DEPLOYERS}},
    ),
    Rule(
        "policy-gives-no-rights",
        "own.no-escalation",
        "Nobody passes, takes or changes every role, or gives rights away on everything",
        "Name the roles; iam:PassRole with iam:PassedToService, iam:PutRolePolicy with iam:PermissionsBoundary",
        severity=Severity.CRITICAL,
        types=EVERYWHERE,
        check=rights,
        config={
            "prefixes": {**TEXTS, "default": ["rewards-", "aws-service-role/"]},
            "guarded": {**TEXTS, "default": ["delivery-*"]},
        },
    ),
)
