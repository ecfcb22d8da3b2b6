"""EKS: the cluster. pulumi_eks makes it in a process of its own, so the component is looked at as well."""

import re
from collections.abc import Iterator

from pulumi_policy import Severity

from policies.rules.properties import FALSE, GIVEN, TRUE, Must, includes, is_, items, value
from policies.rules.rule import Config, Rule, Stack, Subject

AREA = "EKS"
COMPONENT = "eks:index:Cluster"
CLUSTER = "aws:eks/cluster:Cluster"
ANYWHERE = {"0.0.0.0/0", "::/0"}
LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")


def _either(component: Must, cluster: Must) -> dict[str, tuple[Must, ...]]:
    return {COMPONENT: (component,), CLUSTER: (cluster,)}


def open_api(subject: Subject, _: Config) -> Iterator[str]:
    within = "vpcConfig." if subject.type == CLUSTER else ""
    if value(subject.props, f"{within}endpointPublicAccess") is not False:
        ranges = items(subject.props, f"{within}publicAccessCidrs")
        if not ranges or ANYWHERE & set(ranges):
            yield "everybody reaches Kubernetes' API"


def supported(subject: Subject, config: Config) -> Iterator[str]:
    found = str(value(subject.props, "version"))
    if not re.fullmatch(r"\d+\.\d+", found):
        yield f"version is {found}; it must be pinned"
    elif _minor(found) < _minor(str(config["oldest"])):
        yield f"version is {found}; the oldest in standard support is {config['oldest']}"


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def irsa(subject: Subject, _: Config) -> Iterator[str]:
    if "eks.amazonaws.com/role-arn" in (value(subject.props, "metadata.annotations") or {}):
        yield "it takes its role by an OIDC token"


def nodes_enter(subject: Subject, stack: Stack, _: Config) -> Iterator[str]:
    """Managed node groups and Auto Mode's own pools have theirs made by EKS; a NodeClass of ours has not."""
    entries = stack.of("aws:eks/accessEntry:AccessEntry")
    role = value(subject.props, "spec.role")
    if not any(str(value(entry.props, "principalArn")).endswith(f"/{role}") for entry in entries):
        yield f"role {role} has no access entry: its nodes can't join"


RULES = (
    Rule(
        name="cluster-api-private",
        controls=("EKS.1", "CKV_AWS_39"),
        severity=Severity.HIGH,
        says="Kubernetes' API is reached inside the VPC alone",
        fix="Set endpoint_public_access to False and endpoint_private_access to True; work from inside the VPC",
        musts={
            COMPONENT: (Must("endpointPublicAccess", FALSE), Must("endpointPrivateAccess", TRUE)),
            CLUSTER: (Must("vpcConfig.endpointPublicAccess", FALSE), Must("vpcConfig.endpointPrivateAccess", TRUE)),
        },
    ),
    Rule(
        name="cluster-api-not-open",
        controls=("CKV_AWS_38",),
        severity=Severity.CRITICAL,
        says="Where Kubernetes' API is public, the ranges that reach it are named",
        fix="Name your own ranges in rewards:clusterPublicRanges, never 0.0.0.0/0",
        types=(COMPONENT, CLUSTER),
        check=open_api,
    ),
    Rule(
        name="cluster-version-supported",
        controls=("EKS.2",),
        severity=Severity.HIGH,
        says="Kubernetes' version is pinned and in standard support, and not kept past it at a price",
        fix="Raise rewards:kubernetesVersion, one minor version at a time; set the support type to STANDARD",
        types=(COMPONENT, CLUSTER),
        musts=_either(
            Must("upgradePolicy.supportType", is_("STANDARD")), Must("upgradePolicy.supportType", is_("STANDARD"))
        ),
        check=supported,
        config={"oldest": {"type": "string", "pattern": r"^\d+\.\d+$", "default": "1.33"}},
    ),
    Rule(
        name="cluster-secrets-encrypted",
        controls=("EKS.3",),
        severity=Severity.MEDIUM,
        says="Kubernetes' secrets are encrypted under a key of ours",
        fix="Name a KMS key in encryption_config_key_arn",
        musts=_either(Must("encryptionConfigKeyArn", GIVEN), Must("encryptionConfig.provider.keyArn", GIVEN)),
    ),
    Rule(
        name="cluster-logs",
        controls=("EKS.8", "CKV_AWS_37"),
        severity=Severity.MEDIUM,
        says="All five of the control plane's logs are kept",
        fix=f"Enable {', '.join(LOGS)}",
        musts=_either(Must("enabledClusterLogTypes", includes(*LOGS)), Must("enabledClusterLogTypes", includes(*LOGS))),
    ),
    Rule(
        name="cluster-access-by-api",
        controls=("own.access-by-api",),
        severity=Severity.HIGH,
        says="Who may use the cluster is EKS's access entries alone, not a ConfigMap in it",
        fix="Set the authentication mode to API",
        musts=_either(Must("authenticationMode", is_("API")), Must("accessConfig.authenticationMode", is_("API"))),
    ),
    Rule(
        name="pods-identity",
        controls=("own.pod-identity",),
        severity=Severity.MEDIUM,
        says="Pods take their roles by EKS Pod Identity",
        fix="Use aws.eks.PodIdentityAssociation; no OIDC provider, no role annotation on service accounts",
        types=("kubernetes:core/v1:ServiceAccount",),
        musts={COMPONENT: (Must("createOidcProvider", FALSE, default=False),)},
        check=irsa,
    ),
    Rule(
        name="cluster-deletion-protected",
        controls=("own.deletion-protection",),
        severity=Severity.HIGH,
        says="A cluster refuses to be deleted",
        fix="Set deletion_protection to True (rewards:deletionProtection)",
        musts=_either(Must("deletionProtection", TRUE), Must("deletionProtection", TRUE)),
    ),
    Rule(
        name="cluster-zonal-shift",
        controls=("own.zonal-shift",),
        severity=Severity.MEDIUM,
        says="Traffic can be shifted out of a zone that is impaired",
        fix="Set zonal_shift_config to enabled",
        musts={CLUSTER: (Must("zonalShiftConfig.enabled", TRUE),)},  # the component has no such argument
    ),
    Rule(
        name="nodes-have-access-entries",
        controls=("own.node-access-entries",),
        severity=Severity.HIGH,
        says="The role of every node class has its access entry, else its nodes never join",
        fix="Add an aws.eks.AccessEntry of type EC2 with the role's ARN",
        types=("kubernetes:eks.amazonaws.com/v1:NodeClass",),
        stack_check=nodes_enter,
    ),
)
