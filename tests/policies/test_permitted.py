"""Tests that rules permit narrow variants of insecure changes, such as the same rights under a condition."""

import json
from typing import Any

import pytest

from policies.rules.rule import Stack, Subject
from tests.policies.cases import RULES, TODAY

_OURS = "123456789012"
_ALL_ROLES = f"arn:aws:iam::{_OURS}:role/*"
_GROUP_RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


def faults(rule: str, type_: str, props: dict[str, Any], *others: Subject, name: str = "it") -> list[str]:
    subject = Subject(type_, name, f"urn:pulumi:base.prod::rewards::{type_}::{name}", props)
    return list(RULES[rule].judge(subject, {"today": TODAY}, Stack((subject, *others))).faults)


def of_policy(rule: str, *statements: dict[str, Any], name: str = "it") -> list[str]:
    policy = json.dumps({"Statement": [{"Effect": "Allow", **statement} for statement in statements]})
    return faults(rule, "aws:iam/rolePolicy:RolePolicy", {"policy": policy}, name=name)


@pytest.mark.parametrize(
    "limit",
    [
        {"Condition": {"StringEquals": {"iam:PermissionsBoundary": f"arn:aws:iam::{_OURS}:policy/preview"}}},
        {"Condition": {"ArnEquals": {"iam:PolicyARN": "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"}}},
        {"Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}},
        {"Resource": f"arn:aws:iam::{_OURS}:role/rewards-prod-*"},
    ],
)
def test_rights_with_a_limit_pass(limit: dict[str, Any]) -> None:
    assert of_policy("policy-gives-no-rights", {"Action": "iam:PassRole", "Resource": _ALL_ROLES, **limit}) == []


@pytest.mark.parametrize("resource", ["*", _ALL_ROLES, f"arn:aws:iam::{_OURS}:role/delivery-*"])
def test_rights_pass_if_they_are_denied_on_all_that_is_allowed_or_on_the_guarded_roles(resource: str) -> None:
    allowed = {"Action": "iam:PutRolePolicy", "Resource": _ALL_ROLES}
    denied = {"Effect": "Deny", "Action": "iam:Put*", "Resource": resource}
    assert of_policy("policy-gives-no-rights", allowed, denied) == []


def test_a_deployer_changes_every_function_of_the_account_and_reads_no_secret() -> None:
    changing = {"Action": "lambda:UpdateFunctionCode", "Resource": f"arn:aws:lambda:*:{_OURS}:*"}
    reading = {"Action": "secretsmanager:GetSecretValue", "Resource": f"arn:aws:secretsmanager:*:{_OURS}:*"}
    assert of_policy("policy-names-resources", changing, name="runner") == []
    assert len(of_policy("policy-names-resources", changing)) == 1
    assert len(of_policy("policy-names-resources", reading, name="runner")) == 1


@pytest.mark.parametrize(
    ("service", "condition"),
    [
        ("s3.amazonaws.com", {"StringEquals": {"aws:SourceAccount": _OURS}}),
        ("s3.amazonaws.com", {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::rewards-prod-feeds"}}),
        ("events.amazonaws.com", {"ArnLike": {"aws:SourceArn": f"arn:aws:events:*:{_OURS}:rule/*"}}),
        ("backup.amazonaws.com", {"StringEqualsIfExists": {"aws:SourceAccount": _OURS}}),
    ],
)
def test_a_service_that_acts_for_a_named_source_passes(service: str, condition: dict[str, Any]) -> None:
    statement = {"Principal": {"Service": service}, "Action": "sns:Publish", "Resource": "*", "Condition": condition}
    assert of_policy("service-acts-for-us-alone", statement) == []


def test_ranges_of_different_groups_are_not_counted_together() -> None:
    def rule(group: str, cidr: str) -> dict[str, Any]:
        return {"securityGroupId": group, "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv4": cidr}

    def beside(group: str) -> Subject:
        return Subject(
            _GROUP_RULE, "other", f"urn:pulumi:base.prod::rewards::{_GROUP_RULE}::other", rule(group, "13.0.0.0/8")
        )

    own = rule("sg-one", "12.0.0.0/8")
    assert faults("ingress-from-anywhere", _GROUP_RULE, own, beside("sg-two")) == []
    assert faults("ingress-from-anywhere", _GROUP_RULE, own, beside("sg-one")) != []


def test_a_prefix_list_that_the_stack_makes_is_judged_by_its_own_ranges() -> None:
    type_ = "aws:ec2/managedPrefixList:ManagedPrefixList"
    ours = Subject(type_, "offices", f"urn:pulumi:base.prod::rewards::{type_}::offices", {})
    props = {"securityGroupId": "sg-one", "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "prefixListId": "pl-1"}
    links = {"prefixListId": frozenset({ours.urn})}
    subject = Subject(_GROUP_RULE, "it", f"urn:pulumi:base.prod::rewards::{_GROUP_RULE}::it", props, links=links)
    judge = RULES["ingress-from-anywhere"].judge
    assert not judge(subject, {"today": TODAY}, Stack((subject, ours))).faults
    assert judge(subject, {"today": TODAY}, Stack((subject,))).faults
