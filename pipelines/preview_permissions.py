"""IAM permissions of the builds that make and destroy previews. They run pull requests' own code.

They may change only resources of previews: those whose names begin with `rewards-pr-`, or that have a preview's tag.
"""

from collections.abc import Iterable, Iterator

import pulumi

from cloud.boundary import OWN
from cloud.iam import Allow, Conditions
from pipelines.layer_permissions import (
    BUDGETS,
    IN_LAYERS,
    LOG_GROUPS,
    PREVIEWS_PARAMETERS,
    ROLES,
    SERVED,
    STREAM,
    USED_KEYS,
    State,
    lending,
    out_of_reach,
)
from pipelines.target import Target, Text

_APPS = IN_LAYERS["apps"]
_MAPPING = "event-source-mapping:*"
# Each push to the pull request changes the tag of the preview's last day.
_RETAGGED = ("TagResource", "UntagResource")
_Statement = tuple[str, tuple[str, ...], tuple[str, ...]]
# A service, the resources that are previews' own by their names, and the actions.
_NAMED: tuple[_Statement, ...] = (
    ("budgets", (f"budget/{OWN}",), BUDGETS),
    ("cloudwatch", (f"alarm:{OWN}", f"dashboard/{OWN}"), _APPS["cloudwatch"]),
    (
        *("elasticloadbalancing", (f"targetgroup/{OWN}",)),
        ("AddTags", "CreateTargetGroup", "DeleteTargetGroup", "ModifyTargetGroup*", "RemoveTags"),
    ),
    ("elasticloadbalancing", ("listener/app/*",), ("CreateRule",)),
    ("kinesis", (f"stream/{OWN}",), STREAM),
    ("lambda", (f"function:{OWN}",), _APPS["lambda"]),
    ("logs", (f"log-group:{OWN}",), LOG_GROUPS),
    ("scheduler", (f"schedule/*/{OWN}",), _APPS["scheduler"]),
    (
        *("secretsmanager", (f"secret:{OWN}",)),
        ("CreateSecret", "DeleteSecret", "DescribeSecret", "GetResourcePolicy", "TagResource", "UntagResource"),
    ),
    ("sqs", (OWN,), _APPS["sqs"]),
)
# The same for resources whose ARNs have no name of ours: they are known by the tag that the stack's provider sets.
_TAGGED: tuple[_Statement, ...] = (
    ("cognito-idp", ("userpool/*",), IN_LAYERS["base"]["cognito-idp"]),
    (
        *("eks", ("podidentityassociation/*",)),
        (*(f"{verb}PodIdentityAssociation" for verb in ("Delete", "Describe", "Update")), *_RETAGGED),
    ),
    (
        *("elasticloadbalancing", ("listener-rule/app/*",)),
        ("AddTags", "DeleteRule", "ModifyRule", "RemoveTags", "SetRulePriorities"),
    ),
    ("lambda", (_MAPPING,), _RETAGGED),
)
# The same for what calls a function, known by that function.
_MAPPINGS: tuple[_Statement, ...] = (
    ("lambda", (_MAPPING,), ("DeleteEventSourceMapping", "GetEventSourceMapping", "UpdateEventSourceMapping")),
)
# What tags these when they are made.
_TAGGING = ("cognito-idp:TagResource", "eks:TagResource", "elasticloadbalancing:AddTags", "lambda:TagResource")
_ASKED = (
    *("cloudwatch:Describe*", "ec2:Describe*", "elasticloadbalancing:Describe*", "logs:DescribeLogGroups"),
    *("cognito-idp:CreateUserPool", "cognito-idp:DescribeUserPoolDomain", "kinesis:DescribeLimits"),
    "lambda:ListEventSourceMappings",
)


def previewing(target: Target, state: State, boundary: Text, key_arn: Text) -> list[Allow]:
    """Returns permissions for builds that run unreviewed code: to create, change and delete a preview's resources only.

    They can make roles only under the permissions boundary `boundary`. A function of the environment makes the
    preview's database and namespace; these builds may call it. They could still add rules to the environment's load
    balancer, and give roles of previews to the environment's service accounts that have none.
    """
    cluster = target.arn("eks", f"cluster/rewards-{target.environment}")
    place = target.arn("lambda", f"function:{target.function('preview-place')}")
    keys = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", *(f"kms:{action}" for action in USED_KEYS)]
    tagged = [_arn(target, service, kind) for service, kinds, _ in _TAGGED for kind in kinds]
    known_by_tag: Conditions = {"StringLike": {"aws:ResourceTag/environment": "pr-*"}}
    newly_tagged: Conditions = {
        "StringLike": {"aws:RequestTag/environment": "pr-*"},
        "Null": {"aws:ResourceTag/environment": "true"},
    }
    calling_own: Conditions = {"ArnLike": {"lambda:FunctionArn": _arn(target, "lambda", f"function:{OWN}")}}
    return [
        *_allowed(target, _NAMED),
        Allow(actions=_actions(_TAGGED), resources=tagged, conditions=known_by_tag),
        Allow(actions=_TAGGING, resources=tagged, conditions=newly_tagged),
        Allow(actions=["lambda:CreateEventSourceMapping"], resources=["*"], conditions=calling_own),
        *_allowed(target, _MAPPINGS, calling_own),
        Allow(actions=["lambda:ListTags"], resources=[_arn(target, "lambda", _MAPPING)]),
        Allow(actions=["eks:CreatePodIdentityAssociation", "eks:ListPodIdentityAssociations"], resources=[cluster]),
        Allow(actions=["lambda:InvokeFunction"], resources=[place, pulumi.Output.concat(place, ":*")]),
        Allow(actions=["ssm:GetParametersByPath"], resources=[target.arn("ssm", PREVIEWS_PARAMETERS)]),
        Allow(actions=keys, resources=[key_arn]),
        lending(key_arn),
        Allow(actions=["ce:GetCostAndUsage"], resources=[_costs(target)]),
        Allow(actions=_ASKED, resources=["*"]),
        *_roles(target, boundary),
        *out_of_reach(target, state),
    ]


def _roles(target: Target, boundary: Text) -> Iterator[Allow]:
    bounded = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    limited = ("AttachRolePolicy", "CreateRole", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy")
    others = [action for action in ROLES if action not in limited and not action.startswith("UpdateAssume")]
    served = {"StringEquals": {"iam:PassedToService": [f"{service}.amazonaws.com" for service in SERVED["apps"]]}}
    own = [pulumi.Output.concat("arn:aws:iam::", target.account, f":role/{OWN}")]
    yield Allow(actions=[f"iam:{action}" for action in limited], resources=own, conditions=bounded)
    yield Allow(actions=[f"iam:{action}" for action in others], resources=own)
    yield Allow(actions=["iam:PassRole"], resources=own, conditions=served)


def _costs(target: Target) -> pulumi.Output[str]:
    return pulumi.Output.concat("arn:aws:billing::", target.account, ":billingview/primary")


def _arn(target: Target, service: str, resource: str) -> pulumi.Output[str]:
    return pulumi.Output.concat(f"arn:aws:{service}:*:", target.account, f":{resource}")


def _actions(rows: Iterable[_Statement]) -> list[str]:
    return [f"{service}:{action}" for service, _, actions in rows for action in actions]


def _allowed(target: Target, rows: Iterable[_Statement], conditions: Conditions | None = None) -> Iterator[Allow]:
    for service, resources, actions in rows:
        yield Allow(
            actions=_actions([(service, resources, actions)]),
            resources=[_arn(target, service, resource) for resource in resources],
            conditions=conditions or {},
        )
