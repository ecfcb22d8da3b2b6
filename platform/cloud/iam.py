"""Roles: who may take one on (trust), and what it may then do (statements that name their resources)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

Conditions = Mapping[str, Mapping[str, pulumi.Input[Any]]]


@dataclass(frozen=True, kw_only=True)
class Allow:
    """One statement. `principals` only in policies of resources (keys, buckets, queues); those of ECR name none."""

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
    """Only on behalf of this account (the confused deputy). `always` False: of a service that may not say for whom."""
    return {"StringEquals" if always else "StringEqualsIfExists": {"aws:SourceAccount": account}}


def tls_only(service: str, *arns: pulumi.Input[str]) -> Allow:
    """Denies whatever does not come over TLS: every bucket's and queue's policy begins with it (S3.5)."""
    return Allow(
        effect="Deny",
        principals={"AWS": "*"},
        actions=[f"{service}:*"],
        resources=arns,
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )


def trust(service: str, account: pulumi.Input[str], actions: Sequence[str] = ("sts:AssumeRole",)) -> pulumi.Output[str]:
    """Lets an AWS service take a role on, for this account's sake alone.

    IfExists, because some services say on whose behalf they come and some don't: CloudTrail writing to CloudWatch
    stops at a plain StringEquals.
    """
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": list(actions),
        "Condition": {"StringEqualsIfExists": {"aws:SourceAccount": account}},
    }
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust_roles(arns: Sequence[pulumi.Input[str]], account: pulumi.Input[str]) -> pulumi.Output[str]:
    """Lets roles of one account take this one on. They need not be there yet, which a principal's ARN would ask for."""
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

    `named` only where another account must know what it is called.
    """
    made = aws.iam.Role(name, name=named, assume_role_policy=assumed_by, permissions_boundary=boundary, opts=opts)
    inside = pulumi.ResourceOptions(parent=made)
    if may:
        aws.iam.RolePolicy(name, role=made.id, policy=document(*may), opts=inside)
    for arn in managed:
        attached = f"{name}-{arn.rsplit('/', 1)[-1]}"
        aws.iam.RolePolicyAttachment(attached, role=made.name, policy_arn=arn, opts=inside)
    return made


def pods(account: pulumi.Input[str]) -> pulumi.Output[str]:
    """Trust of EKS Pod Identity, which also tags the session with namespace and service account."""
    return trust("pods.eks.amazonaws.com", account, ("sts:AssumeRole", "sts:TagSession"))
