"""All rules by area, and their policies."""

from collections.abc import Iterator
from datetime import UTC, datetime

from pulumi_policy import Policy

from policies.rules import (
    access,
    audit,
    database,
    delivery,
    edge,
    functions,
    governance,
    kubernetes,
    network,
    storage,
    stream,
    waivers,
    warehouse,
    workloads,
)
from policies.rules.rule import Rule, policy

NAME = "rewards"
AREAS: dict[str, tuple[Rule, ...]] = {
    "VPC, EC2": network.RULES,
    "EKS": kubernetes.RULES,
    "workloads": workloads.RULES,
    "Lambda": functions.RULES,
    "Kinesis": stream.RULES,
    "Redshift": warehouse.RULES,
    "Aurora": database.RULES,
    "S3": storage.RULES,
    "KMS": access.KMS,
    "CI/CD": delivery.PIPELINES,
    "ECR": delivery.IMAGES,
    "IAM": access.IAM,
    "audit, edge, other": (*audit.RULES, *edge.EDGE, *edge.SECRETS, *edge.MEMBERS, *governance.RULES),
}


def rules() -> Iterator[tuple[str, Rule]]:
    for area, table in AREAS.items():
        yield from ((area, rule) for rule in table)


def policies() -> list[Policy]:
    """A waiver ends after its last day in UTC."""
    today, granted = datetime.now(UTC).date(), waivers.read()
    return [policy(rule, area, granted, today) for area, rule in rules()]
