"""Policy rules for tags, regions, budgets, the expiry of pull requests' previews, and locked backup vaults."""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from pulumi_policy import Severity

from policies.rules.properties import GIVEN, Must, at_least, items, number, value
from policies.rules.rule import Config, Rule, Stack, Subject

PROVIDER = "pulumi:providers:aws"
TEXTS = {"type": "array", "items": {"type": "string"}}


def _tags(provider: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the default tags of a Pulumi provider, decoded from the JSON in which Pulumi passes nested values."""
    default = value(provider, "defaultTags") or {}
    tags: Mapping[str, Any] = (json.loads(default) if isinstance(default, str) else default).get("tags") or {}
    return tags


def tagged(subject: Subject, config: Config) -> Iterator[str]:
    if subject.type == PROVIDER:
        missing = sorted(key for key in config["required"] if not _tags(subject.props).get(key))
        if missing:
            yield f"it does not tag with {', '.join(missing)}"
    elif subject.provider is None or not _tags(subject.provider):
        yield "its provider is not ours: nothing tags it"


def regions(subject: Subject, config: Config) -> Iterator[str]:
    region = value(subject.props, "region")
    if subject.type == PROVIDER and not region:
        yield "it names no region"
    if region and region not in list(config["allowed"]):
        yield f"{region} is none of {', '.join(config['allowed'])}"


def budgeted(subject: Subject, stack: Stack, _: Config) -> Iterator[str]:
    """Yields a violation if a stack of layer base or of a preview has no budget, or if a budget notifies nobody."""
    if subject.is_preview or ":base." in subject.urn:
        budgets = stack.of("aws:budgets/budget:Budget")
        if not budgets:
            yield "no budget watches its cost"
        for budget in budgets:
            heard = [
                items(notification, "subscriberSnsTopicArns") or items(notification, "subscriberEmailAddresses")
                for notification in items(budget.props, "notifications")
            ]
            if not any(heard):
                yield f"nobody hears of budget {budget.name}"


def expires(subject: Subject, _: Config) -> Iterator[str]:
    if subject.is_preview:
        day = str(_tags(subject.props).get("expires", ""))
        try:
            date.fromisoformat(day)
        except ValueError:
            yield f"tag expires is {day or 'missing'}; it must be a day"


def ceiling(subject: Subject, config: Config) -> Iterator[str]:
    if subject.is_preview:
        limit = number(value(subject.props, "limitAmount"))
        if limit is None or limit > config["usd"] or value(subject.props, "limitUnit") != "USD":
            yield f"its limit is {value(subject.props, 'limitAmount')}; it may be {config['usd']:g} USD"


def qldb(_: Subject, config: Config) -> Iterator[str]:
    if config["acknowledged"] is not True:
        yield "AWS has refused QLDB since 2025-07-31"


RULES = (
    Rule(
        "tags",
        "own.tags",
        "Every resource says whose it is, of which environment and layer",
        "Use the provider of stacks.context, which tags everything",
        types=(PROVIDER, "aws:"),
        check=tagged,
        config={"required": {**TEXTS, "default": ["project", "environment", "layer", "owner", "managed-by"]}},
    ),
    Rule(
        "regions",
        "own.regions",
        "Resources are in regions that were chosen",
        "Set aws:region and rewards:recoveryRegion to allowed ones",
        severity=Severity.HIGH,
        types=(PROVIDER, "aws:"),
        check=regions,
        config={"allowed": {**TEXTS, "default": ["us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1"]}},
    ),
    Rule(
        "budget",
        "own.budget",
        "Every environment and every preview has a budget that somebody hears of",
        "Add an aws.budgets.Budget with notifications",
        types=(PROVIDER,),
        stack_check=budgeted,
    ),
    Rule(
        "preview-expires",
        "own.preview-expires",
        "A preview says when it ends",
        "Set rewards:expires to a day",
        types=(PROVIDER,),
        check=expires,
    ),
    Rule(
        "preview-ceiling",
        "own.preview-ceiling",
        "A preview's budget is small",
        "Lower the budget's limit",
        types=("aws:budgets/budget:Budget",),
        check=ceiling,
        config={"usd": {"type": "number", "minimum": 1, "default": 50}},
    ),
    Rule(
        "no-qldb",
        "own.no-qldb",
        "Nothing is built on QLDB, which has ended, unless somebody says that they know",
        "Set rewards:ledgerEngine to aurora, or acknowledged in the policy's configuration",
        severity=Severity.CRITICAL,
        types=("aws:qldb/",),
        check=qldb,
        config={"acknowledged": {"type": "boolean", "default": False}},
    ),
    Rule(
        "archive-vault-locked",
        "own.vault-locked",
        "Backups can't be deleted before their time, by nobody",
        "Lock the vault; set changeable_for_days in prod, after which nobody can unlock it",
        {
            "aws:backup/vaultLockConfiguration:VaultLockConfiguration": (
                Must("minRetentionDays", at_least(1)),
                Must("changeableForDays", GIVEN),
            )
        },
        severity=Severity.HIGH,
    ),
)
