"""Pods and their availability: the Pod Security Standards' restricted profile, and the platform's own rules."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pulumi_policy import Severity

from policies.rules.credentials import clear_credentials
from policies.rules.properties import FALSE, GIVEN, TRUE, Must, at_least, includes, items, matches, number, value
from policies.rules.rule import Check, Config, Rule, Stack, Subject

DEPLOYMENT = "kubernetes:apps/v1:Deployment"
JOB, CRON_JOB = "kubernetes:batch/v1:Job", "kubernetes:batch/v1:CronJob"
PODS = (DEPLOYMENT, "kubernetes:apps/v1:StatefulSet", "kubernetes:apps/v1:DaemonSet", JOB, CRON_JOB)
ZONE = "topology.kubernetes.io/zone"
REPLICAS = {"minimum": {"type": "integer", "minimum": 1, "default": 3}}


def _template(subject: Subject) -> Mapping[str, Any]:
    within = "spec.jobTemplate.spec.template" if subject.type == CRON_JOB else "spec.template"
    return value(subject.props, within) or {}


def _containers(subject: Subject) -> list[Mapping[str, Any]]:
    spec = _template(subject).get("spec") or {}
    return items(spec, "initContainers") + items(spec, "containers")


def in_pod(*musts: Must) -> Check:
    return lambda subject, _: (fault for must in musts for fault in must.faults(_template(subject).get("spec") or {}))


def in_containers(*musts: Must) -> Check:
    def check(subject: Subject, _: Config) -> Iterator[str]:
        for container in _containers(subject):
            for must in musts:
                yield from (f"container {container['name']}: {fault}" for fault in must.faults(container))

    return check


def not_root(subject: Subject, _: Config) -> Iterator[str]:
    """A container's own setting overrides its pod's."""
    pod = value(_template(subject), "spec.securityContext.runAsNonRoot")
    for container in _containers(subject):
        own = value(container, "securityContext.runAsNonRoot")
        if (own if own is not None else pod) is not True:
            yield f"container {container['name']} may run as root"


def environment(subject: Subject, _: Config) -> Iterator[str]:
    for container in _containers(subject):
        given = {variable["name"]: value(variable, "value") for variable in items(container, "env")}
        yield from (f"container {container['name']}: {fault}" for fault in clear_credentials(given))


def _labels(subject: Subject) -> Mapping[str, str]:
    return value(_template(subject), "metadata.labels") or {}


def _selects(selector: Any, labels: Mapping[str, str]) -> bool:
    wanted = value(selector, "matchLabels") or {}
    return bool(wanted) and all(labels.get(key) == wanted[key] for key in wanted)


def anti_affinity(subject: Subject, _: Config) -> Iterator[str]:
    terms = [
        value(term, "podAffinityTerm")
        for term in items(
            _template(subject), "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution"
        )
        if value(term, "weight") == 100
    ]
    by_zone = [term for term in terms if value(term, "topologyKey") == ZONE]
    if not by_zone:
        yield "no podAntiAffinity keeps its pods out of each other's zone (preferred, weight 100)"
    elif not any(_selects(value(term, "labelSelector"), _labels(subject)) for term in by_zone):
        yield "its podAntiAffinity selects other pods than its own"


def spread(subject: Subject, config: Config) -> Iterator[str]:
    constraints = [
        constraint
        for constraint in items(_template(subject), "spec.topologySpreadConstraints")
        if value(constraint, "topologyKey") == ZONE
    ]
    if not constraints:
        yield "nothing spreads its pods over zones"
    for constraint in constraints:
        if value(constraint, "maxSkew") != 1 or value(constraint, "whenUnsatisfiable") != "DoNotSchedule":
            yield "its spread over zones is not kept: maxSkew 1 and DoNotSchedule"
        if (number(value(constraint, "minDomains")) or 1) < config["zones"]:
            yield f"minDomains is less than {config['zones']:g}: one zone alone could hold all pods"
        if not _selects(value(constraint, "labelSelector"), _labels(subject)):
            yield "its spread selects other pods than its own"


def _within(subject: Subject, other: Subject) -> bool:
    return bool(value(subject.props, "metadata.namespace") == value(other.props, "metadata.namespace"))


def _count(it: Any, replicas: float) -> float:
    text = str(it)
    return float(text[:-1]) * replicas // 100 if text.endswith("%") else float(text)


def disruption_budget(subject: Subject, stack: Stack, _: Config) -> Iterator[str]:
    budgets = [
        budget
        for budget in stack.of("kubernetes:policy/v1:PodDisruptionBudget")
        if _within(subject, budget) and _selects(value(budget.props, "spec.selector"), _labels(subject))
    ]
    if not budgets:
        yield "no PodDisruptionBudget is about it"
    replicas = float(value(subject.props, "spec.replicas") or 1)
    for budget in budgets:
        least, most = value(budget.props, "spec.minAvailable"), value(budget.props, "spec.maxUnavailable")
        spare = replicas - _count(least, replicas) if least is not None else _count(most or 0, replicas)
        if spare < 1:
            yield f"PodDisruptionBudget {budget.name} lets no pod go: no node could be replaced"


def autoscaled(subject: Subject, stack: Stack, _: Config) -> Iterator[str]:
    kinds = {
        "kubernetes:autoscaling/v2:HorizontalPodAutoscaler": ("minReplicas", "maxReplicas"),
        "kubernetes:keda.sh/v1alpha1:ScaledObject": ("minReplicaCount", "maxReplicaCount"),
    }
    name = value(subject.props, "metadata.name")
    autoscalers = [
        (scaler, value(scaler.props, f"spec.{least}"), value(scaler.props, f"spec.{most}"))
        for kind, (least, most) in kinds.items()
        for scaler in stack.of(kind)
        if _within(subject, scaler) and value(scaler.props, "spec.scaleTargetRef.name") == name
    ]
    if not autoscalers:
        yield "nothing scales it"
    for scaler, least, most in autoscalers:
        if (number(least) or 1) < (number(value(subject.props, "spec.replicas")) or 1):
            yield f"{scaler.name} would scale it below its replicas"
        if (number(most) or 0) < (number(least) or 1):
            yield f"{scaler.name} has a maximum below its minimum"


def denied_by_default(subject: Subject, stack: Stack, _: Config) -> Iterator[str]:
    for policy in stack.of("kubernetes:networking.k8s.io/v1:NetworkPolicy"):
        spec = value(policy.props, "spec")
        everything = not value(spec, "podSelector") and set(items(spec, "policyTypes")) == {"Ingress", "Egress"}
        if _within(subject, policy) and everything and not items(spec, "ingress") and not items(spec, "egress"):
            return
    yield "its namespace has no NetworkPolicy that denies by default"


def _pods(name: str, control: str, says: str, fix: str, check: Check, severity: Severity = Severity.HIGH) -> Rule:
    types = (*PODS, "kubernetes:core/v1:ServiceAccount") if control == "pods.token" else PODS
    return Rule(name, control, says, fix, severity=severity, types=types, check=check)


def _resources(what: str) -> tuple[Must, ...]:
    return Must(f"resources.{what}.cpu", GIVEN), Must(f"resources.{what}.memory", GIVEN)


def token(subject: Subject, config: Config) -> Iterator[str]:
    must = Must("automountServiceAccountToken", FALSE)
    if subject.type in PODS:
        yield from in_pod(must)(subject, config)
    else:
        yield from must.faults(subject.props)


def _together(*checks: Check) -> Callable[[Subject, Config], Iterator[str]]:
    return lambda subject, config: (fault for check in checks for fault in check(subject, config))


_CLOSED = "securityContext."
_HOST = [Must(key, FALSE, default=False) for key in ("hostNetwork", "hostPID", "hostIPC")]

RULES = (
    _pods("pods-not-root", "pods.non-root", "No container runs as root", "Set runAsNonRoot to true", not_root),
    _pods(
        "pods-read-only",
        "pods.read-only",
        "A container's own file system is read-only",
        "Set readOnlyRootFilesystem to true; mount an emptyDir where something is written",
        in_containers(Must(f"{_CLOSED}readOnlyRootFilesystem", TRUE)),
        Severity.MEDIUM,
    ),
    _pods(
        "pods-no-capabilities",
        "pods.capabilities",
        "Containers drop every capability",
        "Set capabilities.drop to [ALL]",
        in_containers(Must(f"{_CLOSED}capabilities.drop", includes("ALL"))),
    ),
    _pods(
        "pods-not-privileged",
        "pods.privileged",
        "No container is privileged or becomes so, or shares the node's namespaces; system calls are filtered",
        "Set privileged, allowPrivilegeEscalation to false, seccompProfile to RuntimeDefault; no host namespaces",
        _together(
            in_containers(
                Must(f"{_CLOSED}privileged", FALSE, default=False), Must(f"{_CLOSED}allowPrivilegeEscalation", FALSE)
            ),
            in_pod(
                *_HOST,
                Must("securityContext.seccompProfile.type", matches("RuntimeDefault|Localhost", "RuntimeDefault")),
            ),
        ),
        Severity.CRITICAL,
    ),
    _pods(
        "pods-resources",
        "pods.resources",
        "Every container requests and is limited in processor and memory",
        "Set requests and limits for cpu and memory",
        in_containers(*_resources("requests"), *_resources("limits")),
        Severity.MEDIUM,
    ),
    _pods(
        "pods-image-by-digest",
        "pods.image-by-digest",
        "Images are named by digest: a tag moves, a digest does not",
        "Name the image repository@sha256:…",
        in_containers(Must("image", matches(r"@sha256:[0-9a-f]{64}$", "an image by digest", "app:latest"))),
    ),
    _pods(
        "pods-no-credentials",
        "pods.no-credentials",
        "No credentials lie in a container's environment",
        "Name the secret's ARN and read it from Secrets Manager",
        environment,
        Severity.CRITICAL,
    ),
    _pods(
        "pods-token-not-mounted",
        "pods.token",
        "Kubernetes' token is not mounted",
        "Set automountServiceAccountToken to false on pod and service account",
        token,
        Severity.MEDIUM,
    ),
    Rule(
        "deployment-replicas",
        "pods.replicas",
        "A service has a pod in each of three zones",
        "Set rewards:minReplicas to 3",
        severity=Severity.HIGH,
        types=(DEPLOYMENT,),
        check=lambda subject, config: Must("spec.replicas", at_least(config["minimum"])).faults(subject.props),
        config=REPLICAS,
    ),
    Rule(
        "deployment-anti-affinity",
        "pods.anti-affinity",
        "A service's pods keep out of each other's zone",
        "Add podAntiAffinity by zone, preferred with weight 100, with the pods' own labels",
        severity=Severity.HIGH,
        types=(DEPLOYMENT,),
        check=anti_affinity,
    ),
    Rule(
        "deployment-spread",
        "pods.spread",
        "A service's pods are spread evenly over three zones",
        "Add a topologySpreadConstraint by zone: maxSkew 1, minDomains 3, DoNotSchedule, the pods' own labels",
        severity=Severity.HIGH,
        types=(DEPLOYMENT,),
        check=spread,
        config={"zones": {"type": "integer", "minimum": 1, "default": 3}},
    ),
    Rule(
        "deployment-disruption-budget",
        "pods.disruption-budget",
        "A service's pods go one after the other, and can go",
        "Add a PodDisruptionBudget with maxUnavailable 1 and the pods' labels",
        types=(DEPLOYMENT,),
        stack_check=disruption_budget,
    ),
    Rule(
        "deployment-autoscaled",
        "pods.autoscaled",
        "A service is scaled, never below its replicas",
        "Add an autoscaler whose minimum is the Deployment's replicas or more",
        types=(DEPLOYMENT,),
        stack_check=autoscaled,
    ),
    Rule(
        "namespace-default-deny",
        "pods.default-deny",
        "Where pods run, what no NetworkPolicy allows is refused",
        "Add a NetworkPolicy with an empty podSelector, policyTypes Ingress and Egress, and no rules",
        severity=Severity.HIGH,
        types=PODS,
        stack_check=denied_by_default,
    ),
)
