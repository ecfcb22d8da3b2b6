"""IAM roles, their trust policies (who may assume a role) and permissions (statements that name resources)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

Conditions = Mapping[str, Mapping[str, pulumi.Input[Any]]]


@dataclass(frozen=True, kw_only=True)
class Allow:
    """An IAM policy statement. Only resource-based policies have `principals`; ECR's have no `resources`."""

    actions: Sequence[str]
    resources: Sequence[pulumi.Input[str]]
    conditions: Conditions = field(default_factory=dict)
    principals: Mapping[str, pulumi.Input[str]] | None = None
    effect: str = "Allow"

    def statement(self) -> dict[str, Any]:
        principals = {"Principal": dict(self.principals)} if self.principals else {}
        tests = {operator: dict(values) for operator, values in self.conditions.items()}
        conditions = {"Condition": tests} if tests else {}
        named = {"Resource": list(self.resources)} if self.resources else {}
        return {"Effect": self.effect, "Action": list(self.actions), **named, **principals, **conditions}


def document(*statements: Allow) -> pulumi.Output[str]:
    """Returns an IAM policy that consists of these statements, as JSON."""
    body = {"Version": "2012-10-17", "Statement": [statement.statement() for statement in statements]}
    return pulumi.Output.json_dumps(body)


def owned_by(account: pulumi.Input[str], always: bool = True) -> Conditions:
    """Returns the condition that aws:SourceAccount is the account; unless `always`, requests without it pass too."""
    return {"StringEquals" if always else "StringEqualsIfExists": {"aws:SourceAccount": account}}


def tls_only(service: str, *arns: pulumi.Input[str]) -> Allow:
    """Returns the statement that denies requests without TLS, for the policies of buckets and queues (S3.5)."""
    return Allow(
        effect="Deny",
        principals={"AWS": "*"},
        actions=[f"{service}:*"],
        resources=arns,
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )


def trust(service: str, account: pulumi.Input[str], actions: Sequence[str] = ("sts:AssumeRole",)) -> pulumi.Output[str]:
    """Returns a trust policy that lets an AWS service assume a role on behalf of this account only."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": list(actions),
        # IfExists, because some services name no account: CloudTrail could not write to CloudWatch with StringEquals.
        "Condition": {"StringEqualsIfExists": {"aws:SourceAccount": account}},
    }
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust_roles(arns: Sequence[pulumi.Input[str]]) -> pulumi.Output[str]:
    """Returns a trust policy that lets the roles `arns` assume a role. AWS refuses it until they all exist."""
    statement = {"Effect": "Allow", "Principal": {"AWS": list(arns)}, "Action": ["sts:AssumeRole"]}
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass(frozen=True)
class Role:
    """The outputs of an IAM role. `arn` resolves when the role's policies exist: nothing uses it without them."""

    arn: pulumi.Output[str]
    id: pulumi.Output[str]
    name: pulumi.Output[str]


def role(
    name: str,
    opts: pulumi.ResourceOptions,
    *,
    assumed_by: pulumi.Input[str],
    may: Sequence[Allow] = (),
    managed: Sequence[str] = (),
    boundary: pulumi.Input[str] | None = None,
    named: str | None = None,
) -> Role:
    """Makes an IAM role with the policies that `granted` gives it.

    `named` sets the role's name in AWS, needed only if another account refers to the role.
    """
    resource = aws.iam.Role(name, name=named, assume_role_policy=assumed_by, permissions_boundary=boundary, opts=opts)
    return granted(name, resource, opts, may=may, managed=managed)


def granted(
    name: str,
    resource: aws.iam.Role,
    opts: pulumi.ResourceOptions,
    *,
    may: Sequence[Allow] = (),
    managed: Sequence[str] = (),
) -> Role:
    """Gives a role the statements `may` as inline policy, and AWS's managed policies of the ARNs `managed`."""
    policies: list[aws.iam.RolePolicy | aws.iam.RolePolicyAttachment] = []
    if may:
        policies.append(aws.iam.RolePolicy(name, role=resource.id, policy=document(*may), opts=opts))
    for arn in managed:
        attached = f"{name}-{arn.rsplit('/', 1)[-1]}"
        policies.append(aws.iam.RolePolicyAttachment(attached, role=resource.name, policy_arn=arn, opts=opts))
    ready = pulumi.Output.all(resource.arn, *(policy.id for policy in policies)).apply(lambda values: str(values[0]))
    return Role(ready, resource.id, resource.name)


def pods(account: pulumi.Input[str]) -> pulumi.Output[str]:
    """Returns a trust policy that lets an account's pods assume a role by EKS Pod Identity, with session tags."""
    return trust("pods.eks.amazonaws.com", account, ("sts:AssumeRole", "sts:TagSession"))
