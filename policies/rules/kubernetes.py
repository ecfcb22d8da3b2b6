"""Policy rules for EKS clusters, both AWS's own resource and pulumi_eks's component, which makes that resource."""

from collections.abc import Iterator

from pulumi_policy import Severity

from policies.rules.addresses import is_anywhere
from policies.rules.properties import FALSE, GIVEN, TRUE, Must, includes, is_, items, value
from policies.rules.rule import Config, Rule, Stack, Subject

COMPONENT = "eks:index:Cluster"
CLUSTER = "aws:eks/cluster:Cluster"
LOGS = ("api", "audit", "authenticator", "controllerManager", "scheduler")


def _either(component: Must, cluster: Must) -> dict[str, tuple[Must, ...]]:
    return {COMPONENT: (component,), CLUSTER: (cluster,)}


def open_api(subject: Subject, _: Config) -> Iterator[str]:
    within = "vpcConfig." if subject.type == CLUSTER else ""
    if value(subject.props, f"{within}endpointPublicAccess") is not False:
        ranges = items(subject.props, f"{within}publicAccessCidrs")
        if not ranges or is_anywhere(ranges):
            yield "everybody reaches Kubernetes' API"


def irsa(subject: Subject, _: Config) -> Iterator[str]:
    if "eks.amazonaws.com/role-arn" in (value(subject.props, "metadata.annotations") or {}):
        yield "it takes its role by an OIDC token"


def unmade(subject: Subject, stack: Stack, _: Config) -> Iterator[str]:
    """Yields a violation if the policy pack can judge neither pulumi_eks's component nor the cluster that it makes.

    Pulumi may hide a component's inputs from stack policies; then they judge the cluster in its place.
    """
    children = f"{subject.urn.rpartition('::')[0]}${CLUSTER}::"
    known = "endpointPublicAccess" in subject.props
    if not known and not any(cluster.urn.startswith(children) for cluster in stack.of(CLUSTER)):
        yield "it has neither inputs nor a cluster that could be judged"


def nodes_enter(subject: Subject, stack: Stack, _: Config) -> Iterator[str]:
    """Yields a violation if the IAM role of an EKS NodeClass has no access entry: its nodes can't join the cluster.

    EKS makes the entry of the role that the cluster gives its built-in node pools, as long as there is such a pool.
    """
    role = value(subject.props, "spec.role")
    arns = [value(entry.props, "principalArn") for entry in stack.of("aws:eks/accessEntry:AccessEntry")]
    arns += [
        value(cluster.props, "computeConfig.nodeRoleArn")
        for cluster in stack.of(CLUSTER)
        if items(cluster.props, "computeConfig.nodePools")
    ]
    if not any(str(arn).endswith(f"/{role}") for arn in arns) and not _is_built_in(subject, stack):
        yield f"role {role} has no access entry: its nodes can't join"


def _is_built_in(node_class: Subject, stack: Stack) -> bool:
    """Returns whether a NodeClass has the role that pulumi_eks's component makes for the built-in node pools.

    The role's name is an output of the component, the only thing by which it is known where the engine doesn't run.
    """
    sources = node_class.links.get("spec", frozenset())
    roles = {role.urn for role in stack.of("aws:iam/role:Role")}
    return not roles & sources and any(
        component.urn in sources and items(component.props, "autoMode.computeConfig.nodePools")
        for component in stack.of(COMPONENT)
    )


RULES = (
    Rule(
        "cluster-api-private",
        "EKS.1, CKV_AWS_39",
        "Kubernetes' API is reached inside the VPC alone",
        "Set endpoint_public_access to False and endpoint_private_access to True; work from inside the VPC",
        {
            COMPONENT: (Must("endpointPublicAccess", FALSE), Must("endpointPrivateAccess", TRUE)),
            CLUSTER: (Must("vpcConfig.endpointPublicAccess", FALSE), Must("vpcConfig.endpointPrivateAccess", TRUE)),
        },
        severity=Severity.HIGH,
    ),
    Rule(
        "cluster-api-not-open",
        "CKV_AWS_38",
        "Where Kubernetes' API is public, the ranges that reach it are named",
        "Name your own ranges in rewards:clusterPublicRanges, never 0.0.0.0/0",
        severity=Severity.CRITICAL,
        types=(COMPONENT, CLUSTER),
        check=open_api,
    ),
    Rule(
        "cluster-standard-support",
        "EKS.2",
        "Kubernetes' version is not kept past its standard support at a price",
        "Set the support type to STANDARD",
        _either(Must("upgradePolicy.supportType", is_("STANDARD")), Must("upgradePolicy.supportType", is_("STANDARD"))),
        severity=Severity.HIGH,
    ),
    Rule(
        "cluster-secrets-encrypted",
        "EKS.3",
        "Kubernetes' secrets are encrypted under a key of ours",
        "Name a KMS key in encryption_config_key_arn",
        _either(Must("encryptionConfigKeyArn", GIVEN), Must("encryptionConfig.provider.keyArn", GIVEN)),
    ),
    Rule(
        "cluster-logs",
        "EKS.8, CKV_AWS_37",
        "All five of the control plane's logs are kept",
        f"Enable {', '.join(LOGS)}",
        _either(Must("enabledClusterLogTypes", includes(*LOGS)), Must("enabledClusterLogTypes", includes(*LOGS))),
    ),
    Rule(
        "cluster-access-by-api",
        "own.access-by-api",
        "Who may use the cluster is EKS's access entries alone, not a ConfigMap in it",
        "Set the authentication mode to API",
        _either(Must("authenticationMode", is_("API")), Must("accessConfig.authenticationMode", is_("API"))),
        severity=Severity.HIGH,
    ),
    Rule(
        "pods-identity",
        "own.pod-identity",
        "Pods take their roles by EKS Pod Identity",
        "Use aws.eks.PodIdentityAssociation; no role annotation on service accounts",
        types=("kubernetes:core/v1:ServiceAccount",),
        check=irsa,
    ),
    Rule(
        "cluster-deletion-protected",
        "own.deletion-protection",
        "A cluster refuses to be deleted",
        "Set deletion_protection to True (rewards:deletionProtection)",
        _either(Must("deletionProtection", TRUE), Must("deletionProtection", TRUE)),
        severity=Severity.HIGH,
    ),
    Rule(
        "cluster-zonal-shift",
        "own.zonal-shift",
        "Traffic can be shifted out of a zone that is impaired",
        "Set zonal_shift_config to enabled",
        {CLUSTER: (Must("zonalShiftConfig.enabled", TRUE),)},  # pulumi_eks's component has no such argument
    ),
    Rule(
        "cluster-is-judged",
        "own.cluster-is-judged",
        "An EKS component whose inputs the engine doesn't know has made a cluster, which the other rules judge",
        "Make the cluster by pulumi_eks's component, or by aws.eks.Cluster",
        severity=Severity.HIGH,
        types=(COMPONENT,),
        stack_check=unmade,
        hollow=True,
    ),
    Rule(
        "nodes-have-access-entries",
        "own.node-access-entries",
        "The role of every node class has its access entry, else its nodes never join",
        "Add an aws.eks.AccessEntry of type EC2 with the role's ARN",
        severity=Severity.HIGH,
        types=("kubernetes:eks.amazonaws.com/v1:NodeClass",),
        stack_check=nodes_enter,
    ),
)
