"""Roles: who may assume one (trust), and what it then may do (statements that name their resources)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

Conditions = Mapping[str, Mapping[str, pulumi.Input[Any]]]


@dataclass(frozen=True, kw_only=True)
class Allow:
    """One statement. `principals` only in resources' policies (keys, buckets, queues); ECR's name no resource."""

    actions: Sequence[str]
    resources: Sequence[pulumi.Input[str]]
    conditions: Conditions = field(default_factory=dict)
    principals: Mapping[str, pulumi.Input[str]] | None = None
    effect: str = "Allow"

    def statement(self) -> dict[str, Any]:
        principals = {"Principal": dict(self.principals)} if self.principals else {}
        conditions = {"Condition": {test: dict(of) for test, of in self.conditions.items()}} if self.conditions else {}
        named = {"Resource": list(self.resources)} if self.resources else {}
        return {"Effect": self.effect, "Action": list(self.actions), **named, **principals, **conditions}


def document(*statements: Allow) -> pulumi.Output[str]:
    """An IAM policy as JSON."""
    body = {"Version": "2012-10-17", "Statement": [statement.statement() for statement in statements]}
    return pulumi.Output.json_dumps(body)


def owned_by(account: pulumi.Input[str], always: bool = True) -> Conditions:
    """Only on behalf of this account (confused deputy). `always` False: the service may not say on whose behalf."""
    return {"StringEquals" if always else "StringEqualsIfExists": {"aws:SourceAccount": account}}


def tls_only(service: str, *arns: pulumi.Input[str]) -> Allow:
    """Denies requests without TLS; every bucket's and queue's policy begins with it (S3.5)."""
    return Allow(
        effect="Deny",
        principals={"AWS": "*"},
        actions=[f"{service}:*"],
        resources=arns,
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )


def trust(service: str, account: pulumi.Input[str], actions: Sequence[str] = ("sts:AssumeRole",)) -> pulumi.Output[str]:
    """Lets an AWS service assume a role on behalf of this account only.

    IfExists, because some services do not say on whose behalf they act: CloudTrail cannot write to CloudWatch with a
    plain StringEquals.
    """
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": list(actions),
        "Condition": {"StringEqualsIfExists": {"aws:SourceAccount": account}},
    }
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust_roles(arns: Sequence[pulumi.Input[str]], account: pulumi.Input[str]) -> pulumi.Output[str]:
    """Lets roles of one account assume this one. Unlike principals, they need not exist yet."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": pulumi.Output.concat("arn:aws:iam::", account, ":root")},
        "Action": ["sts:AssumeRole"],
        "Condition": {"ArnEquals": {"aws:PrincipalArn": list(arns)}},
    }
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement]})


def role(
    name: str,
    opts: pulumi.ResourceOptions,
    *,
    assumed_by: pulumi.Input[str],
    may: Sequence[Allow] = (),
    managed: Sequence[str] = (),
    boundary: pulumi.Input[str] | None = None,
    named: str | None = None,
) -> aws.iam.Role:
    """A role with one inline policy, and AWS's managed policies by their full ARN where AWS demands them.

    Give a name in `named` only where another account refers to the role.
    """
    resource = aws.iam.Role(name, name=named, assume_role_policy=assumed_by, permissions_boundary=boundary, opts=opts)
    inside = pulumi.ResourceOptions(parent=resource)
    if may:
        aws.iam.RolePolicy(name, role=resource.id, policy=document(*may), opts=inside)
    for arn in managed:
        attached = f"{name}-{arn.rsplit('/', 1)[-1]}"
        aws.iam.RolePolicyAttachment(attached, role=resource.name, policy_arn=arn, opts=inside)
    return resource


def pods(account: pulumi.Input[str]) -> pulumi.Output[str]:
    """Trust in EKS Pod Identity, which also tags the session with namespace and service account."""
    return trust("pods.eks.amazonaws.com", account, ("sts:AssumeRole", "sts:TagSession"))
