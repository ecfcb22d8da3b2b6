"""Policy rules for who may do what in a cluster: EKS's access entries, RBAC, namespaces, admission webhooks."""

from collections.abc import Iterator
from typing import Any

from pulumi_policy import Severity

from policies.rules.kubernetes import COMPONENT
from policies.rules.pods import CONFIG_MAPS
from policies.rules.properties import items, value
from policies.rules.rule import Config, Rule, Stack, Subject

_RBAC = "kubernetes:rbac.authorization.k8s.io/v1:"
BINDINGS = tuple(f"{_RBAC}{kind}" for kind in ("RoleBinding", "ClusterRoleBinding"))
ROLES = tuple(f"{_RBAC}{kind}" for kind in ("Role", "ClusterRole"))
ENTRIES = ("aws:eks/accessEntry:AccessEntry", "aws:eks/accessPolicyAssociation:AccessPolicyAssociation")
NAMESPACES = ("kubernetes:core/v1:Namespace", "kubernetes:core/v1:NamespacePatch")
WEBHOOKS = tuple(
    f"kubernetes:admissionregistration.k8s.io/v1:{kind}WebhookConfiguration" for kind in ("Mutating", "Validating")
)
# Kubernetes' own roles, which a ClusterRole of the same name would not replace.
_BUILT_IN = {"cluster-admin", "admin", "edit"}
_ENFORCED = "pod-security.kubernetes.io/enforce"
# Verbs and resources by which whoever may use them can take any right of the cluster, or read its secrets.
_TAKING = {"escalate", "bind", "impersonate"}
_GRAVE = {
    *("secrets", "nodes/proxy", "pods/exec", "pods/attach", "pods/portforward", "pods/ephemeralcontainers"),
    *("serviceaccounts/token", "certificatesigningrequests/approval", "persistentvolumes"),
    *("mutatingwebhookconfigurations", "validatingwebhookconfigurations", "roles", "clusterroles", "rolebindings"),
    "clusterrolebindings",
}


def binding(subject: Subject, stack: Stack, config: Config) -> Iterator[str]:
    """Yields violations if an RBAC binding is to a role that the stack doesn't define, or is for people or groups."""
    role, kind = str(value(subject.props, "roleRef.name")), value(subject.props, "roleRef.kind")
    defined = {
        value(other.props, "metadata.name") or other.name
        for other in stack.of(f"{_RBAC}{kind}")
        if kind == "ClusterRole" or _namespace(other) == _namespace(subject)
    }
    if kind == "ClusterRole":
        defined = (defined | set(config["roles"])) - _BUILT_IN
    if role not in defined:
        yield f"it binds {kind} {role}"
    for who in items(subject.props, "subjects"):
        if value(who, "kind") != "ServiceAccount":
            yield f"it binds {role} to {value(who, 'kind')} {value(who, 'name')}"


def _namespace(subject: Subject) -> Any:
    return value(subject.props, "metadata.namespace")


def role_rules(subject: Subject, _: Config) -> Iterator[str]:
    if items(subject.props, "aggregationRule.clusterRoleSelectors"):
        yield "it gathers the rights of other roles"
    for rule in items(subject.props, "rules"):
        for kind, grave in _REFUSED.items():
            yield from (f"{kind}: {it}" for it in items(rule, kind) if it in grave or "*" in it)


def declared(subject: Subject, config: Config) -> Iterator[str]:
    """Yields violations if a cluster admits a principal that is neither a role of this program nor in `administrators`.

    A principal is a role of this program if the property is set from another resource's output, not as text.
    """
    entries = value(subject.props, "accessEntries") or {}
    entered = [value(entries, f"{name}.principalArn") for name in entries if not subject.links.get("accessEntries")]
    if subject.type != COMPONENT and "principalArn" not in subject.links:
        entered.append(value(subject.props, "principalArn"))
    for who in entered:
        if who not in [*config["administrators"]]:
            yield f"it lets {who} into the cluster"
    for group in items(subject.props, "kubernetesGroups"):
        if group.startswith("system:") and group != "system:nodes":  # which EKS gives to nodes
            yield f"it puts them into {group}"


def enforced(subject: Subject, _: Config) -> Iterator[str]:
    labels = value(subject.props, "metadata.labels") or {}
    if (subject.type == NAMESPACES[0] or _ENFORCED in labels) and labels.get(_ENFORCED) != "restricted":
        yield f"{_ENFORCED} is {labels.get(_ENFORCED) or 'missing'}; it must be restricted"


def outside(subject: Subject, _: Config) -> Iterator[str]:
    for webhook in items(subject.props, "webhooks"):
        if url := value(webhook, "clientConfig.url"):
            yield f"webhook {value(webhook, 'name')} sends objects to {url}"


def access_map(subject: Subject, _: Config) -> Iterator[str]:
    if value(subject.props, "metadata.name") == "aws-auth":
        yield "aws-auth lets roles and users into the cluster"


_REFUSED = {"verbs": _TAKING, "resources": _GRAVE, "apiGroups": set[str](), "nonResourceURLs": set[str]()}
TEXTS = {"type": "array", "items": {"type": "string"}}
CRITICAL, HIGH = Severity.CRITICAL, Severity.HIGH
RULES = (
    Rule(
        "cluster-access-declared",
        "own.access-declared",
        "Who is let into the cluster is a role of this program's, or an administrator who is named",
        "Remove the entry, or name the ARN in administrators of cluster-access-declared in policies/config",
        severity=CRITICAL,
        types=(*ENTRIES, COMPONENT),
        stack_check=lambda subject, _, config: declared(subject, config),
        config={"administrators": {**TEXTS, "default": []}},
    ),
    Rule(
        "cluster-no-access-map",
        "own.access-by-api",
        "Nobody is let into the cluster by a ConfigMap",
        "Remove aws-auth; use aws.eks.AccessEntry",
        severity=HIGH,
        types=CONFIG_MAPS,
        check=access_map,
    ),
    Rule(
        "cluster-bindings-narrow",
        "own.rbac-bindings",
        "Roles that are bound in the cluster are the program's own, never cluster-admin, admin, edit, or to people",
        "Bind a Role with the verbs and resources that are needed, to a service account",
        severity=CRITICAL,
        types=BINDINGS,
        stack_check=binding,
        config={"roles": {**TEXTS, "default": ["view"]}},
    ),
    Rule(
        "cluster-roles-narrow",
        "own.rbac-roles",
        "A role of the cluster names verbs and resources, and can't take further rights",
        "Name verbs and resources; no *, escalate, bind, impersonate, secrets or pods/exec",
        severity=CRITICAL,
        types=ROLES,
        check=role_rules,
    ),
    Rule(
        "namespace-restricted",
        "pods.namespace",
        "A namespace refuses pods that are not restricted",
        f"Label it {_ENFORCED}: restricted",
        severity=HIGH,
        types=NAMESPACES,
        check=enforced,
    ),
    Rule(
        "webhooks-inside",
        "own.webhooks-inside",
        "Nothing outside the cluster decides about its objects, or sees them",
        "Remove the webhook, or name a service of the cluster in clientConfig.service",
        severity=HIGH,
        types=WEBHOOKS,
        check=outside,
    ),
)
