"""Stacks without violations: prod as recorded, a preview, and resources that the program does not make (yet)."""

from functools import cache
from typing import Any

from policies.rules.pods import CRON_JOB, JOB
from policies.rules.rule import Stack, Subject
from stacks.offline.recording import Graph, Resource
from tests.stacks.graphs import graph_of, preview_on_dev

_TAGS = {"tags": dict.fromkeys(("project", "environment", "layer", "owner", "managed-by"), "it")}
_PROVIDER = {"defaultTags": _TAGS, "region": "us-east-1"}
_KEY = "arn:aws:kms:us-east-1:123456789012:key/it"
_RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
_TOKEN = {"httpTokens": "required", "httpPutResponseHopLimit": 1}
_PARAMETERS = [
    {"parameterKey": key, "parameterValue": "true"} for key in ("require_ssl", "enable_user_activity_logging")
]
_STAGES = [
    {"name": "source", "actions": [{"name": "source", "category": "Source", "provider": "CodeStarSourceConnection"}]},
    {"name": "approval", "actions": [{"name": "look", "category": "Approval", "provider": "Manual"}]},
    {
        "name": "prod",
        "onFailure": {"result": "ROLLBACK"},
        "actions": [
            {"name": "up", "category": "Build", "provider": "CodeBuild", "configuration": {"Image": "app:4f2a"}}
        ],
    },
]
_RESOURCES: dict[str, dict[str, Any]] = {
    "aws:ec2/launchTemplate:LaunchTemplate": {"metadataOptions": _TOKEN, "networkInterfaces": [{}]},
    "aws:ec2/instance:Instance": {"metadataOptions": _TOKEN, "associatePublicIpAddress": False},
    "aws:ec2/launchConfiguration:LaunchConfiguration": {"metadataOptions": _TOKEN},
    "aws:ec2/securityGroupRule:SecurityGroupRule": {
        "type": "ingress",
        "fromPort": 443,
        "toPort": 443,
        "cidrBlocks": ["0.0.0.0/0"],
    },
    "aws:rds/instance:Instance": {
        "iamDatabaseAuthenticationEnabled": True,
        "manageMasterUserPassword": True,
        "masterUserSecretKmsKeyId": _KEY,
        "deletionProtection": True,
        "storageEncrypted": True,
        "kmsKeyId": _KEY,
    },
    "aws:lambda/functionUrl:FunctionUrl": {
        "authorizationType": "AWS_IAM",
        "cors": {"allowOrigins": ["https://rewards.example"]},
    },
    f"{_RBAC}Role": {
        "metadata": {"name": "reader"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
    },
    f"{_RBAC}RoleBinding": {
        "roleRef": {"kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "it"}],
    },
    "kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration": {
        "webhooks": [{"name": "it", "clientConfig": {"service": {"name": "it", "namespace": "it"}}}]
    },
    "aws:ebs/volume:Volume": {"encrypted": True, "kmsKeyId": _KEY},
    "aws:eks/cluster:Cluster": {
        "vpcConfig": {"endpointPublicAccess": False, "endpointPrivateAccess": True},
        "upgradePolicy": {"supportType": "STANDARD"},
        "version": "1.35",
        "encryptionConfig": {"provider": {"keyArn": _KEY}},
        "enabledClusterLogTypes": ["api", "audit", "authenticator", "controllerManager", "scheduler"],
        "accessConfig": {"authenticationMode": "API"},
        "deletionProtection": True,
        "zonalShiftConfig": {"enabled": True},
    },
    "kubernetes:eks.amazonaws.com/v1:NodeClass": {"spec": {"role": "nodes"}},
    "aws:eks/accessEntry:AccessEntry": {"principalArn": "arn:aws:iam::123456789012:role/nodes"},
    "aws:redshiftserverless/namespace:Namespace": {
        "adminUsername": "rewards_admin",
        "manageAdminPassword": True,
        "adminPasswordSecretKmsKeyId": _KEY,
        "dbName": "rewards",
        "kmsKeyId": _KEY,
        "logExports": ["connectionlog", "userlog", "useractivitylog"],
    },
    "aws:redshiftserverless/workgroup:Workgroup": {"configParameters": _PARAMETERS, "enhancedVpcRouting": True},
    "aws:codebuild/project:Project": {
        "encryptionKey": _KEY,
        "environment": {"privilegedMode": False, "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0"},
        "logsConfig": {},
    },
    "aws:codepipeline/pipeline:Pipeline": {
        "pipelineType": "V2",
        "artifactStores": [{"encryptionKey": {"id": _KEY, "type": "KMS"}}],
        "stages": _STAGES,
    },
    "aws:secretsmanager/secret:Secret": {"kmsKeyId": _KEY},
    "aws:secretsmanager/secretRotation:SecretRotation": {"rotationRules": {"automaticallyAfterDays": 30}},
}
_LINKS = {
    "aws:secretsmanager/secretRotation:SecretRotation": ("secretId", "aws:secretsmanager/secret:Secret"),
    "aws:eks/accessEntry:AccessEntry": ("principalArn", "aws:iam/role:Role"),
}


def subject(resource: Resource, providers: dict[str, Resource]) -> Subject:
    provider = providers.get(resource.provider.rsplit("::", 1)[0])
    given = provider.inputs if provider else None
    links = {key: frozenset(urns) for key, urns in resource.links.items()}
    return Subject(resource.token, resource.name, resource.urn, resource.inputs, given, resource.protect, links)


def stacks(graph: Graph, environment: str) -> tuple[Stack, ...]:
    providers = {
        resource.urn: resource for resource in graph.resources if resource.token.startswith("pulumi:providers:")
    }
    names = dict.fromkeys(resource.stack for resource in graph.resources if resource.stack.endswith(f".{environment}"))
    return tuple(
        Stack(tuple(subject(resource, providers) for resource in graph.resources if resource.stack == name))
        for name in names
    )


def _urn(type_: str) -> str:
    return f"urn:pulumi:other.prod::rewards::{type_}::it"


@cache
def other() -> Stack:
    links = {type_: {key: frozenset({_urn(about)})} for type_, (key, about) in _LINKS.items()}
    return Stack(
        tuple(
            Subject(type_, "it", _urn(type_), props, _PROVIDER, links=links.get(type_, {}))
            for type_, props in {**_RESOURCES, **_nightly()}.items()
        )
    )


def _nightly() -> dict[str, dict[str, Any]]:
    """Return a CronJob that runs the migration's pod, in a namespace that denies connections by default."""
    (job,) = graph_of("prod").of(JOB)
    template = job.inputs["spec"]["template"]
    metadata = {"name": "nightly", "namespace": "nightly"}
    return {
        CRON_JOB: {"metadata": metadata, "spec": {"jobTemplate": {"spec": {"template": template}}}},
        "kubernetes:networking.k8s.io/v1:NetworkPolicy": {
            "metadata": metadata,
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        },
    }


@cache
def qldb() -> Stack:
    """Return a QLDB ledger, which passes only if the policies' settings acknowledge QLDB's end."""
    return Stack((Subject("aws:qldb/ledger:Ledger", "it", _urn("aws:qldb/ledger:Ledger"), {}, _PROVIDER),))


@cache
def prod() -> tuple[Stack, ...]:
    return (*stacks(graph_of("prod"), "prod"), other())


@cache
def preview() -> tuple[Stack, ...]:
    return stacks(preview_on_dev(), "pr-123")
