"""Finds IAM policies in a resource's properties: identity-based (of roles, users, groups) and resource-based ones."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from policies.rules.properties import is_list, items

EVERYWHERE = ("aws:",)
"""The types that rules about IAM policies judge: a property that holds a policy is found by its name and content."""
_HOLDING = re.compile(r"polic|document|permissions", re.IGNORECASE)
# CloudTrail describes a key without naming a trail in the request; this reveals nothing that is encrypted.
_METADATA = {"kms:DescribeKey"}
# What says for whom a service acts: an account or organization, an ARN with an account, or a bucket by its whole name.
_ARN = re.compile(r"arn:aws[\w-]*:[\w-]+:[\w*-]*:\d{12}:.+|arn:aws[\w-]*:s3:::[^*?/]+(/.*)?")
_SOURCES = {
    "aws:sourceaccount": re.compile(r"\d{12}"),
    "aws:sourcearn": _ARN,
    "aws:sourceorgid": re.compile(r"o-[a-z0-9]+"),
    "kms:encryptioncontext:": _ARN,
}
# Operators that a request of another account does not pass: no Not…, no ForAllValues.
_BINDING = re.compile(r"(ForAnyValue:)?(String|Arn)(Equals|Like)(IgnoreCase)?(?P<lax>IfExists)?")
# Services that tell topics and keys of no account; nor do some when they take a role. IfExists is all that limits them.
_UNNAMING = {"backup.amazonaws.com", "codestar-notifications.amazonaws.com"}
Statement = Mapping[str, Any]


def statements(props: Mapping[str, Any], effect: str = "Allow") -> Iterator[Statement]:
    """Yields the statements with effect `effect` (Allow or Deny) from every IAM policy in a resource's properties."""
    for key in props:
        if _HOLDING.search(key):
            for document in _documents(props[key]):
                for statement in items(document, "Statement"):
                    if isinstance(statement, Mapping) and statement.get("Effect") == effect:
                        yield statement


def _documents(content: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(content, str):
        content = _parsed(content)
    if isinstance(content, Mapping):
        if "Statement" in content:
            yield content
        else:
            for key in content:
                yield from _documents(content[key])
    elif is_list(content):
        for item in content:
            yield from _documents(item)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text) if text.lstrip().startswith(("{", "[")) else None
    except ValueError:
        return None


def is_of_identity(statement: Statement) -> bool:
    """Returns whether a statement is of an identity-based policy (of a role, user, group): it names no principal."""
    return "Principal" not in statement and "NotPrincipal" not in statement


def permissions(props: Mapping[str, Any]) -> Iterator[Statement]:
    """Yields the Allow statements of identity-based policies (of roles, users, groups) in a resource's properties."""
    return (statement for statement in statements(props) if is_of_identity(statement))


def grants(props: Mapping[str, Any]) -> Iterator[Statement]:
    """Yields the Allow statements of all resource-based policies in a resource's properties; each names principals."""
    return (statement for statement in statements(props) if not is_of_identity(statement))


def principals(statement: Statement, kind: str) -> list[str]:
    """Returns a statement's principals of one kind (AWS, Service …); only `*` if the statement is for everybody."""
    principal = statement.get("Principal")
    return ["*"] if principal == "*" else items(principal or {}, kind)


def names_its_source(statement: Statement) -> bool:
    """Returns whether a statement excludes a confused deputy.

    It does if a condition or an AWSLogs/ path limits the requests of AWS's service to those for one account.
    """
    actions = items(statement, "Action")
    takes_role = bool(actions) and all(str(action).startswith("sts:") for action in actions)
    lax = takes_role or set(principals(statement, "Service")) <= _UNNAMING
    limited = any(
        _names_source(key.lower(), items(test, key))
        for operator, test in (statement.get("Condition") or {}).items()
        if (binding := _BINDING.fullmatch(operator)) and (lax or not binding["lax"])
        for key in test
    )
    under_account = all("/AWSLogs/" in resource for resource in items(statement, "Resource") or [""])
    return limited or under_account or not set(actions) - _METADATA


def _names_source(key: str, limits: list[Any]) -> bool:
    """Returns whether a condition limits requests to sources that it names: accounts, organizations or resources."""
    for source, form in _SOURCES.items():
        if key.startswith(source):
            return bool(limits) and all(form.fullmatch(str(limit)) for limit in limits)
    return False
