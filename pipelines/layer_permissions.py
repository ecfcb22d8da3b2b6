"""IAM permissions of the builds that run `pulumi up`: for base, for data, and the runner's for cluster and apps.

Each build has its own role, with actions of the AWS services that its layers use. Such a role may create roles, so it
could in the end do anything in its account, by a role that it makes. Therefore the builds run only after a merge and,
in prod, after an approval. They cannot change the pipelines' own roles directly: a person deploys those.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pulumi

from cloud.iam import Allow
from pipelines.target import Target, Text

# Action patterns by which most AWS services create, change, describe and delete. Not `Get*`: in many services it hands
# out what is stored, or credentials. The calls that Pulumi needs are named.
_MANAGED = ("Create*", "Delete*", "Describe*", "List*", "Put*", "Tag*", "Untag*", "Update*")


def _without(*absent: str) -> tuple[str, ...]:
    """Returns the action patterns of `_MANAGED` (`Create*`, `Delete*` …) except those of the verbs `absent`."""
    return tuple(action for action in _MANAGED if action not in {f"{verb}*" for verb in absent})


_TAGGED = ("AddTags*", "RemoveTags*", "ListTags*")
_NETWORK = (
    *("Allocate*", "Associate*", "Attach*", "Authorize*", "Create*", "Delete*", "Detach*", "Disassociate*"),
    *("Modify*", "Release*", "Replace*", "Revoke*"),
)
_FIREWALL = ("Authorize*", "Create*", "Delete*", "Modify*", "Revoke*")
_KEYS = ("CreateAlias", "DeleteAlias", "Enable*", "Get*", "List*", "Put*", "Schedule*", "Tag*", "Untag*", "Update*")
USED_KEYS = ("DescribeKey", "RetireGrant")
_BALANCER = ("Add*", "Create*", "Delete*", "Modify*", "Remove*", "Set*")
_DATABASE = ("Add*", "Create*", "Delete*", "Modify*", "List*", "Reboot*", "Remove*", "Start*", "Stop*")
_BUCKETS = ("CreateBucket", "DeleteBucket", "DeleteBucketPolicy", "GetBucket*", "ListBucket", "PutBucket*")
_BUCKET_RULES = (
    *("GetEncryptionConfiguration", "GetLifecycleConfiguration", "PutEncryptionConfiguration"),
    *("PutLifecycleConfiguration", "GetAccelerateConfiguration", "GetReplicationConfiguration"),
)
ROLES = (
    *("CreateRole", "DeleteRole", "GetRole*", "ListRole*", "ListAttachedRolePolicies", "ListInstanceProfilesForRole"),
    *("PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "TagRole", "UntagRole"),
    *("UpdateAssumeRolePolicy", "UpdateRole*"),
)
_POLICIES = ("CreatePolicy*", "DeletePolicy*", "GetPolicy*", "ListPolicy*", "TagPolicy", "UntagPolicy")
# What a layer hands to previews, by Parameter Store.
PREVIEWS_PARAMETERS = "parameter/rewards/previews"
_HANDED = (
    *("AddTagsToResource", "DeleteParameter", "GetParameter", "ListTagsForResource", "PutParameter"),
    "RemoveTagsFromResource",
)
_LAMBDA = (
    *(*_without("Describe"), "AddPermission", "PublishVersion", "RemovePermission"),
    *("GetAlias", "GetCodeSigningConfig", "GetEventSourceMapping", "GetFunction*", "GetPolicy"),
)
LOG_GROUPS = (
    *("AssociateKmsKey", "CreateLogGroup", "DeleteLogGroup", "DeleteRetentionPolicy", "DisassociateKmsKey", "List*"),
    *("PutRetentionPolicy", "Tag*", "Untag*"),
)
_LOGS = (
    *(*LOG_GROUPS, "CreateLogDelivery", "DeleteLogDelivery", "DeleteMetricFilter", "Describe*", "GetLogDelivery"),
    *("PutMetricFilter", "PutResourcePolicy", "UpdateLogDelivery"),
)
BUDGETS = ("ModifyBudget", "TagResource", "UntagResource", "ViewBudget", "ListTagsForResource")
STREAM = (*_without("Put"), *_TAGGED, "Decrease*", "Increase*", "StartStreamEncryption")
IN_LAYERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "base": {
        "access-analyzer": (*_without("Describe", "Put"), "GetAnalyzer", "GetArchiveRule"),
        "budgets": BUDGETS,
        "codebuild": ("BatchGetProjects",),  # the runner may do more than this build: a person changes it
        "cloudtrail": (
            *(*_without("Tag", "Untag"), *_TAGGED, "StartLogging", "StopLogging"),
            *("GetEventSelectors", "GetInsightSelectors", "GetTrail*"),
        ),
        "cognito-idp": (
            *(*_without("List", "Put"), "GetGroup", "GetUserPoolMfaConfig", "ListTagsForResource"),
            "SetUserPoolMfaConfig",
        ),
        "ec2": _NETWORK,
        "ecr": (*_MANAGED, "GetLifecyclePolicy", "GetRepositoryPolicy", "SetRepositoryPolicy"),
        "iam": (*ROLES, *_POLICIES),
        "kms": (*_KEYS, *USED_KEYS),
        "logs": _LOGS,
        "route53": ("Change*", "Delete*", "Get*", "List*", "Update*"),
        "s3": (*_BUCKETS, *_BUCKET_RULES),
        "sns": (
            *(*_without("Describe", "Update"), "Set*", "Subscribe", "Unsubscribe"),
            *("GetSubscriptionAttributes", "GetTopicAttributes"),
        ),
        "ssm": _HANDED,
    },
    "data": {
        "backup": (*_MANAGED, "GetBackup*"),
        "ec2": _FIREWALL,
        "iam": ROLES,
        "kinesis": STREAM,
        "kms": USED_KEYS,
        "logs": _LOGS,
        "rds": (*_DATABASE, "CopyDBClusterSnapshot", "RestoreDBClusterFromSnapshot"),
        "redshift": (*_without("Tag", "Untag"), "Disable*", "Enable*", "Modify*", "Pause*", "Resize*", "Resume*"),
        "redshift-serverless": (*_without("Describe"), "GetNamespace", "GetWorkgroup"),
        "s3": (*_BUCKETS, *_BUCKET_RULES),
        "secretsmanager": (
            *(*_MANAGED[:3], "CancelRotateSecret", "GetResourcePolicy", "Rotate*", "Tag*", "Untag*"),
            "UpdateSecret",
        ),
        "ssm": _HANDED,
    },
    "cluster": {
        "acm": (*_MANAGED, *_TAGGED),
        "ec2": _FIREWALL,
        "eks": (*_without("Put"), "AssociateAccessPolicy", "DisassociateAccessPolicy"),
        "elasticloadbalancing": _BALANCER,
        "iam": ROLES,
        "kms": USED_KEYS,
        "logs": _LOGS,
        "route53": ("ChangeResourceRecordSets", "Get*", "List*"),
        "ssm": _HANDED,
        "wafv2": (*_MANAGED, "AssociateWebACL", "DisassociateWebACL", "GetLoggingConfiguration", "GetWebACL*"),
    },
    "apps": {
        "cloudwatch": (*_MANAGED, "GetDashboard"),
        "ec2": _FIREWALL,
        "eks": (*_without("Put", "Update"), "UpdatePodIdentityAssociation"),
        "elasticloadbalancing": _BALANCER,
        "iam": (*ROLES, *_POLICIES),
        "kms": USED_KEYS,
        "lambda": _LAMBDA,
        "logs": _LOGS,
        "s3": ("GetBucketNotification", "PutBucketNotification"),
        "scheduler": (*_without("Describe", "Put"), "GetSchedule"),
        "signer": ("CancelSigningProfile", "GetSigningProfile", "ListTagsForResource", "TagResource", "UntagResource"),
        "sqs": (*_without("Describe", "Put", "Update"), "GetQueueAttributes", "GetQueueUrl", "SetQueueAttributes"),
        "ssm": _HANDED,
    },
}
LAYERS = tuple(IN_LAYERS)
PROGRAM_KEY = "runner/program.zip"
"""The object in the state's bucket that hands the program to the runner."""
IN_KUBERNETES = ("cluster", "apps")
"""The layers whose resources are made through Kubernetes' API too."""
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
        "ssm:DescribeParameters": _NO_RESOURCE,
    },
    "data": {
        "backup:Describe*": _READ,
        "backup:List*": _READ,
        "ec2:Describe*": _READ,
        "kinesis:DescribeLimits": _NO_RESOURCE,
        "logs:DescribeLogGroups": _NO_RESOURCE,
        "rds:Describe*": _READ,
        "redshift:Describe*": _READ,
        "redshift:CreateScheduledAction": _NO_RESOURCE,
        "redshift:DeleteScheduledAction": _NO_RESOURCE,
        "redshift:ModifyScheduledAction": _NO_RESOURCE,
        "ssm:DescribeParameters": _NO_RESOURCE,
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
        "ssm:DescribeParameters": _NO_RESOURCE,
    },
    "apps": {
        "cloudwatch:Describe*": _READ,
        "ec2:Describe*": _READ,
        "elasticloadbalancing:Describe*": _READ,
        "lambda:CreateCodeSigningConfig": _NO_RESOURCE,
        "lambda:CreateEventSourceMapping": _NO_RESOURCE,
        "lambda:ListEventSourceMappings": _NO_RESOURCE,
        "logs:DescribeLogGroups": _NO_RESOURCE,
        "signer:PutSigningProfile": _NO_RESOURCE,
        "ssm:DescribeParameters": _NO_RESOURCE,
    },
}
# The AWS services to which a layer may pass the roles that it creates (iam:PassRole).
SERVED: Mapping[str, tuple[str, ...]] = {
    "base": ("cloudtrail", "vpc-flow-logs"),
    "data": ("backup", "monitoring.rds", "redshift", "scheduler.redshift"),
    "cluster": ("ec2", "eks", "pods.eks"),
    "apps": ("lambda", "pods.eks", "scheduler"),
}
ANYWHERE = {action: reason for actions in _ANYWHERE.values() for action, reason in actions.items()}


@dataclass(frozen=True, kw_only=True)
class State:
    """An environment's Pulumi state: its bucket, and the KMS key of the secrets in it."""

    bucket: str
    key_arn: Text

    def variables(self, region: str) -> dict[str, Text]:
        """Returns the environment variable that tells Pulumi where its state is."""
        return {"PULUMI_BACKEND_URL": f"s3://{self.bucket}?region={region}"}


def bringing_up(target: Target, state: State, *layers: str) -> list[Allow]:
    """Returns permissions to create, change and delete the layers' resources in an account, but not Pulumi's state."""
    services: dict[str, dict[str, None]] = {}
    for layer in layers:
        for service, actions in IN_LAYERS[layer].items():
            services.setdefault(service, {}).update(dict.fromkeys(actions))
    own = [
        Allow(actions=[f"{service}:{action}" for action in actions], resources=_arns(service, target))
        for service, actions in services.items()
    ]
    anywhere = Allow(actions=list(dict.fromkeys(a for layer in layers for a in _ANYWHERE[layer])), resources=["*"])
    return [*own, anywhere, lending(*_arns("kms", target)), *_passing(layers, target), *out_of_reach(target, state)]


def lending(*keys: Text) -> Allow:
    """Returns the permission to let AWS services, and nobody else, use KMS keys for the resources that they run."""
    for_aws = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    return Allow(actions=["kms:CreateGrant"], resources=keys, conditions=for_aws)


def handing(target: Target, key_arn: Text) -> Allow:
    """Returns the permission to use the KMS key of previews for what layers hand to previews by Parameter Store."""
    handed = {"kms:EncryptionContext:PARAMETER_ARN": target.arn("ssm", f"{PREVIEWS_PARAMETERS}/*")}
    return Allow(actions=["kms:Decrypt", "kms:Encrypt"], resources=[key_arn], conditions={"StringLike": handed})


def _arns(service: str, target: Target) -> list[Text]:
    match service:
        case "s3":
            return [f"arn:aws:s3:::rewards-{target.environment}-*"]
        case "route53":
            return ["arn:aws:route53:::hostedzone/*", "arn:aws:route53:::change/*"]
        case "ssm":
            return [target.arn("ssm", f"{PREVIEWS_PARAMETERS}/*")]
        case "iam":
            return [pulumi.Output.concat("arn:aws:iam::", target.account, f":{kind}/*") for kind in ("role", "policy")]
        case "wafv2":  # AWS judges what takes a firewall from a load balancer by the load balancer
            balancers = pulumi.Output.concat("arn:aws:elasticloadbalancing:*:", target.account, ":loadbalancer/app/*")
            return [pulumi.Output.concat("arn:aws:wafv2:*:", target.account, ":*"), balancers]
        case _:
            return [pulumi.Output.concat(f"arn:aws:{service}:*:", target.account, ":*")]


def _passing(layers: Sequence[str], target: Target) -> Iterator[Allow]:
    services = dict.fromkeys(f"{service}.amazonaws.com" for layer in layers for service in SERVED[layer])
    served = {"StringEquals": {"iam:PassedToService": list(services)}}
    roles = pulumi.Output.concat("arn:aws:iam::", target.account, ":role/*")
    yield Allow(actions=["iam:PassRole"], resources=[roles], conditions=served)
    linked = pulumi.Output.concat("arn:aws:iam::", target.account, ":role/aws-service-role/*")
    yield Allow(actions=["iam:CreateServiceLinkedRole"], resources=[linked])


def out_of_reach(target: Target, state: State) -> Iterator[Allow]:
    """Yields statements that deny changes of the pipelines' own roles (`delivery-…`), and of the state's protection."""
    own = pulumi.Output.concat("arn:aws:iam::", target.account, ":role/delivery-*")
    changing = ("Attach", "Create", "Delete", "Detach", "Pass", "Put", "Tag", "Untag", "Update")
    yield Allow(effect="Deny", actions=[f"iam:{verb}*" for verb in changing], resources=[own])
    protecting = [f"s3:{action}" for action in ("DeleteBucket*", "PutBucket*", "PutEncryption*", "PutLifecycle*")]
    yield Allow(effect="Deny", actions=protecting, resources=[f"arn:aws:s3:::{state.bucket}"])
    ending = [f"kms:{action}" for action in ("*Alias", "CreateGrant", "Disable*", "Put*", "Schedule*", "Update*")]
    yield Allow(effect="Deny", actions=ending, resources=[state.key_arn])
