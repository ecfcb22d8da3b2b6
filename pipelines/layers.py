"""What `pulumi up` of a layer may do: actions of the services that the layer uses, on this account's resources only.

Each layer has a role of its own. Who may create roles can in the end do anything in an account: that is why these
builds run after a merge and, in prod, after an approval, and why they cannot change the pipelines' own roles: a person
deploys the `delivery` layer.
"""

from collections.abc import Iterator, Mapping

import pulumi

from cloud.iam import Allow
from pipelines.target import Target, Text

# Action patterns by which most AWS services create, change, read and delete.
_MANAGED = ("Create*", "Delete*", "Describe*", "Get*", "List*", "Put*", "Tag*", "Untag*", "Update*")


def _without(*absent: str) -> tuple[str, ...]:
    """AWS's linter rejects a pattern that matches no action of its service."""
    return tuple(action for action in _MANAGED if action not in {f"{verb}*" for verb in absent})


_TAGGED = ("AddTags*", "RemoveTags*", "ListTags*")
_NETWORK = (
    *("Allocate*", "Associate*", "Attach*", "Authorize*", "Create*", "Delete*", "Detach*", "Disassociate*"),
    *("Modify*", "Release*", "Replace*", "Revoke*"),
)
_FIREWALL = ("Authorize*", "Create*", "Delete*", "Modify*", "Revoke*")
_KEYS = ("CreateAlias", "DeleteAlias", "Enable*", "Get*", "List*", "Put*", "Schedule*", "Tag*", "Untag*", "Update*")
_USED_KEYS = ("CreateGrant", "DescribeKey", "RetireGrant")
_BALANCER = ("Add*", "Create*", "Delete*", "Modify*", "Remove*", "Set*")
_DATABASE = ("Add*", "Create*", "Delete*", "Modify*", "List*", "Reboot*", "Remove*", "Start*", "Stop*")
_BUCKETS = ("CreateBucket", "DeleteBucket", "DeleteBucketPolicy", "GetBucket*", "ListBucket", "PutBucket*")
_BUCKET_RULES = (
    *("GetEncryptionConfiguration", "GetLifecycleConfiguration", "PutEncryptionConfiguration"),
    *("PutLifecycleConfiguration", "GetAccelerateConfiguration", "GetReplicationConfiguration"),
)
_ROLES = (
    *("CreateRole", "DeleteRole", "GetRole*", "ListRole*", "ListAttachedRolePolicies", "ListInstanceProfilesForRole"),
    *("PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "TagRole", "UntagRole"),
    *("UpdateAssumeRolePolicy", "UpdateRole*"),
)
_POLICIES = ("CreatePolicy*", "DeletePolicy*", "GetPolicy*", "ListPolicy*", "TagPolicy", "UntagPolicy")
_LAMBDA = (*_without("Describe"), "AddPermission", "PublishVersion", "RemovePermission")
_IN_LAYERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "base": {
        "access-analyzer": _without("Describe", "Put"),
        "budgets": ("ModifyBudget", "TagResource", "UntagResource", "ViewBudget", "ListTagsForResource"),
        "cloudtrail": (*_without("Tag", "Untag"), *_TAGGED, "StartLogging", "StopLogging"),
        "cognito-idp": _without("Put"),
        "ec2": _NETWORK,
        "ecr": (*_MANAGED, "SetRepositoryPolicy"),
        "iam": (*_ROLES, *_POLICIES),
        "kms": (*_KEYS, *_USED_KEYS),
        "logs": _MANAGED,
        "route53": ("Change*", "Delete*", "Get*", "List*", "Update*"),
        "s3": (*_BUCKETS, *_BUCKET_RULES),
        "sns": (*_without("Describe", "Update"), "Set*", "Subscribe", "Unsubscribe"),
    },
    "data": {
        "backup": _MANAGED,
        "ec2": _FIREWALL,
        "iam": _ROLES,
        "kinesis": (*_MANAGED, *_TAGGED, "Decrease*", "Increase*", "StartStreamEncryption"),
        "kms": _USED_KEYS,
        "logs": _MANAGED,
        "rds": (*_DATABASE, "CopyDBClusterSnapshot"),
        "redshift": (*_without("Tag", "Untag"), "Disable*", "Enable*", "Modify*", "Pause*", "Resize*", "Resume*"),
        "redshift-serverless": _MANAGED,
        "s3": (*_BUCKETS, *_BUCKET_RULES),
        "secretsmanager": (*_MANAGED[:3], "GetResourcePolicy", "Put*", "Rotate*", "Tag*", "Untag*", "UpdateSecret"),
    },
    "cluster": {
        "acm": (*_MANAGED, *_TAGGED),
        "ec2": _FIREWALL,
        "eks": (*_without("Get", "Put"), "AssociateAccessPolicy", "DisassociateAccessPolicy"),
        "elasticloadbalancing": _BALANCER,
        "iam": _ROLES,
        "kms": _USED_KEYS,
        "logs": _MANAGED,
        "route53": ("ChangeResourceRecordSets", "Get*", "List*"),
        "wafv2": (*_MANAGED, "AssociateWebACL", "DisassociateWebACL"),
    },
    "apps": {
        "budgets": ("ModifyBudget", "TagResource", "UntagResource", "ViewBudget", "ListTagsForResource"),
        "cloudwatch": _MANAGED,
        "ec2": _FIREWALL,
        "eks": (*_without("Get", "Put", "Update"), "UpdatePodIdentityAssociation"),
        "elasticloadbalancing": _BALANCER,
        "iam": _ROLES,
        "kinesis": (*_MANAGED, *_TAGGED, "StartStreamEncryption"),
        "kms": _USED_KEYS,
        "lambda": _LAMBDA,
        "logs": _MANAGED,
        "s3": ("GetBucketNotification", "PutBucketNotification"),
        "scheduler": _without("Describe", "Put"),
        "sqs": (*_without("Describe", "Put", "Update"), "SetQueueAttributes"),
    },
}
LAYERS = tuple(_IN_LAYERS)
_NO_RESOURCE = "AWS's service authorization reference names no resource for it"
_READ = "a read, for most of whose kind AWS's service authorization reference names no resource"
# Actions allowed on `*` because AWS cannot scope them, by layer, with the reason.
_ANYWHERE: Mapping[str, Mapping[str, str]] = {
    "base": {
        "cloudtrail:DescribeTrails": _NO_RESOURCE,
        "cognito-idp:CreateUserPool": _NO_RESOURCE,
        "cognito-idp:DescribeUserPoolDomain": _NO_RESOURCE,
        "ec2:Describe*": _READ,
        "ec2:EnableEbsEncryptionByDefault": _NO_RESOURCE,
        "ec2:DisableEbsEncryptionByDefault": _NO_RESOURCE,
        "ec2:GetEbsEncryptionByDefault": _NO_RESOURCE,
        "ec2:GetInstanceMetadataDefaults": _NO_RESOURCE,
        "ec2:ModifyInstanceMetadataDefaults": _NO_RESOURCE,
        "kms:CreateKey": _NO_RESOURCE,
        "kms:ListAliases": _NO_RESOURCE,
        "logs:DescribeLogGroups": _NO_RESOURCE,
        "route53:CreateHostedZone": _NO_RESOURCE,
        "route53:ListHostedZones": _NO_RESOURCE,
        "s3:GetAccountPublicAccessBlock": _NO_RESOURCE,
        "s3:PutAccountPublicAccessBlock": _NO_RESOURCE,
        "sns:ListTopics": _NO_RESOURCE,
    },
    "data": {
        "backup:Describe*": _READ,
        "backup:List*": _READ,
        "ec2:Describe*": _READ,
        "logs:DescribeLogGroups": _NO_RESOURCE,
        "rds:Describe*": _READ,
        "redshift:Describe*": _READ,
        "redshift:CreateScheduledAction": _NO_RESOURCE,
        "redshift:DeleteScheduledAction": _NO_RESOURCE,
        "redshift:ModifyScheduledAction": _NO_RESOURCE,
    },
    "cluster": {
        "acm:ListCertificates": _NO_RESOURCE,
        "acm:RequestCertificate": _NO_RESOURCE,
        "ec2:Describe*": _READ,
        "eks:CreateCluster": _NO_RESOURCE,
        "eks:DescribeAddonVersions": _NO_RESOURCE,
        "elasticloadbalancing:Describe*": _READ,
        "elasticloadbalancing:SetWebACL": _NO_RESOURCE,
        "logs:DescribeLogGroups": _NO_RESOURCE,
        "route53:ListHostedZones": _NO_RESOURCE,
    },
    "apps": {
        "cloudwatch:Describe*": _READ,
        "ec2:Describe*": _READ,
        "elasticloadbalancing:Describe*": _READ,
        "lambda:CreateEventSourceMapping": _NO_RESOURCE,
        "lambda:ListEventSourceMappings": _NO_RESOURCE,
        "logs:DescribeLogGroups": _NO_RESOURCE,
    },
}
# The services that may assume a layer's roles: it may pass them to no other.
_SERVED: Mapping[str, tuple[str, ...]] = {
    "base": ("cloudtrail", "vpc-flow-logs"),
    "data": ("backup", "monitoring.rds", "redshift", "scheduler.redshift"),
    "cluster": ("ec2", "eks", "pods.eks"),
    "apps": ("lambda", "pods.eks", "scheduler"),
}
ANYWHERE = {action: why for of in _ANYWHERE.values() for action, why in of.items()}


def bringing_up(layer: str, target: Target) -> list[Allow]:
    """Permissions for a layer's resources, besides state and logs. No other account's resource is named."""
    services = _IN_LAYERS[layer]
    own = [
        Allow(actions=[f"{service}:{action}" for action in actions], resources=_of(service, target))
        for service, actions in services.items()
    ]
    anywhere = Allow(actions=list(_ANYWHERE[layer]), resources=["*"])
    return [*own, anywhere, *_passing(layer, target), *_out_of_reach(target)]


def _of(service: str, target: Target) -> list[Text]:
    match service:
        case "s3":
            return [f"arn:aws:s3:::rewards-{target.environment}-*"]
        case "route53":
            return ["arn:aws:route53:::hostedzone/*", "arn:aws:route53:::change/*"]
        case "iam":
            return [pulumi.Output.concat("arn:aws:iam::", target.account, f":{kind}/*") for kind in ("role", "policy")]
        case _:
            return [pulumi.Output.concat(f"arn:aws:{service}:*:", target.account, ":*")]


def _passing(layer: str, target: Target) -> Iterator[Allow]:
    served = {"StringEquals": {"iam:PassedToService": [f"{service}.amazonaws.com" for service in _SERVED[layer]]}}
    roles = pulumi.Output.concat("arn:aws:iam::", target.account, ":role/*")
    yield Allow(actions=["iam:PassRole"], resources=[roles], conditions=served)
    linked = pulumi.Output.concat("arn:aws:iam::", target.account, ":role/aws-service-role/*")
    yield Allow(actions=["iam:CreateServiceLinkedRole"], resources=[linked])


def _out_of_reach(target: Target) -> Iterator[Allow]:
    """Denies changing the pipelines' own roles."""
    own = pulumi.Output.concat("arn:aws:iam::", target.account, ":role/delivery-*")
    changing = ("Attach", "Create", "Delete", "Detach", "Pass", "Put", "Tag", "Untag", "Update")
    yield Allow(effect="Deny", actions=[f"iam:{verb}*" for verb in changing], resources=[own])


def previewing(target: Target, boundary: Text) -> list[Allow]:
    """Permissions for a preview's apps stack, whose roles must carry the boundary and cannot lose it."""
    bounded = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
    limited = ("AttachRolePolicy", "CreateRole", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy")
    roles = _of("iam", target)[:1]
    others = [action for action in _ROLES if action not in limited and not action.startswith("UpdateAssume")]
    others_allowed = [statement for statement in bringing_up("apps", target) if not _makes_roles(statement)]
    return [
        *others_allowed,
        Allow(actions=[f"iam:{action}" for action in limited], resources=roles, conditions=bounded),
        Allow(actions=[f"iam:{action}" for action in others], resources=roles),
    ]


def _makes_roles(statement: Allow) -> bool:
    return statement.effect == "Allow" and "iam:CreateRole" in statement.actions
