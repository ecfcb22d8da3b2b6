"""The policy pack: all policy rules by area (EKS, IAM …), and the CrossGuard policies made of them."""

from collections.abc import Iterator
from datetime import date

from pulumi_policy import Policy

from policies.rules import (
    access,
    audit,
    database,
    delivery,
    edge,
    exposure,
    functions,
    governance,
    kubernetes,
    kubernetes_access,
    kubernetes_network,
    lifetimes,
    network,
    pods,
    storage,
    stream,
    types,
    waivers,
    warehouse,
    workloads,
)
from policies.rules.crossguard import policy
from policies.rules.rule import Rule

NAME = "rewards"
AREAS: dict[str, tuple[Rule, ...]] = {
    "VPC, EC2": network.RULES,
    "EKS": (*kubernetes.RULES, *kubernetes_access.RULES),
    "workloads": (*pods.RULES, *workloads.RULES, *kubernetes_network.RULES),
    "Lambda": functions.RULES,
    "Kinesis": stream.RULES,
    "Redshift": warehouse.RULES,
    "Aurora": database.RULES,
    "S3": storage.RULES,
    "KMS": access.KMS,
    "CI/CD": delivery.PIPELINES,
    "ECR": delivery.IMAGES,
    "versions": lifetimes.RULES,
    "IAM": access.IAM,
    "internet": exposure.RULES,
    "types": (types.unjudged(lambda: (rule for _, rule in rules())),),
    "audit, edge, other": (*audit.RULES, *edge.EDGE, *edge.SECRETS, *edge.MEMBERS, *governance.RULES),
}


def rules() -> Iterator[tuple[str, Rule]]:
    for area, table in AREAS.items():
        yield from ((area, rule) for rule in table)


def policies(today: date) -> list[Policy]:
    """Returns the CrossGuard policies of all rules; rules that depend on the date judge as of `today`."""
    granted = waivers.read()
    return [policy(rule, area, granted, today) for area, rule in rules()]
