"""Policy rules for what keeps pods available: replicas, spread over zones, disruption budgets, autoscaling."""

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Severity

from policies.rules.pods import DEPLOYMENT, PODS, template
from policies.rules.properties import MISSING, Must, at_least, items, number, value
from policies.rules.rule import Config, Rule, Stack, Subject

ZONE = "topology.kubernetes.io/zone"
REPLICAS = {"minimum": {"type": "integer", "minimum": 1, "default": 3}}


def _labels(subject: Subject) -> Mapping[str, str]:
    return value(template(subject), "metadata.labels") or {}


def _selects(selector: Any, labels: Mapping[str, str]) -> bool:
    wanted = value(selector, "matchLabels") or {}
    return bool(wanted) and all(labels.get(key) == wanted[key] for key in wanted)


def anti_affinity(subject: Subject, _: Config) -> Iterator[str]:
    terms = [
        value(term, "podAffinityTerm")
        for term in items(
            template(subject), "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution"
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
        for constraint in items(template(subject), "spec.topologySpreadConstraints")
        if value(constraint, "topologyKey") == ZONE
    ]
    if not constraints:
        yield "nothing spreads its pods over zones"
    for constraint in constraints:
        if value(constraint, "maxSkew") != 1 or value(constraint, "whenUnsatisfiable") != "DoNotSchedule":
            yield "its spread over zones is not kept: maxSkew 1 and DoNotSchedule"
        if (number(value(constraint, "minDomains")) or 1) < config["zones"]:
            yield f"minDomains is less than {config['zones']:g}: one zone alone could hold all pods"
        if (number(value(constraint, "minDomains")) or 1) > config["zones"]:
            yield f"minDomains is more than {config['zones']:g}: pods would wait for a zone that is lost"
        if value(constraint, "nodeTaintsPolicy") != "Honor":
            yield "its spread counts nodes that are lost (nodeTaintsPolicy Honor): pods would wait for their zone"
        if "pod-template-hash" not in items(constraint, "matchLabelKeys"):
            yield "its spread counts pods of other releases (matchLabelKeys pod-template-hash)"
        if not _selects(value(constraint, "labelSelector"), _labels(subject)):
            yield "its spread selects other pods than its own"


def patience(subject: Subject, config: Config) -> Iterator[str]:
    """Kubernetes adds tolerations of 300 seconds to pods that have none of their own."""
    tolerations = items(template(subject), "spec.tolerations")
    for why in ("not-ready", "unreachable"):
        own = [each for each in tolerations if value(each, "key") in {f"node.kubernetes.io/{why}", MISSING}]
        seconds = [number(value(each, "tolerationSeconds")) for each in own]
        if not own or any(each is None or each > config["seconds"] for each in seconds):
            yield f"its pods stay on a node that is {why} for more than {config['seconds']:g} seconds"


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
        if value(budget.props, "spec.unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"PodDisruptionBudget {budget.name} keeps pods that are not ready: no node could be drained"


def autoscaled(subject: Subject, stack: Stack, _: Config) -> Iterator[str]:
    name = value(subject.props, "metadata.name")
    autoscalers = [
        scaler
        for scaler in stack.of("kubernetes:autoscaling/v2:HorizontalPodAutoscaler")
        if _within(subject, scaler) and value(scaler.props, "spec.scaleTargetRef.name") == name
    ]
    if not autoscalers:
        yield "nothing scales it"
    # Of a Deployment that runs, spec.replicas is what an autoscaler asked for last.
    replicas = 1 if value(subject.props, "status") else number(value(subject.props, "spec.replicas")) or 1
    for scaler in autoscalers:
        least, most = value(scaler.props, "spec.minReplicas"), value(scaler.props, "spec.maxReplicas")
        if (number(least) or 1) < replicas:
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


RULES = (
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
        "A service's pods are spread evenly over the zones that there are",
        "Add a topologySpreadConstraint by zone: maxSkew 1, minDomains 2, DoNotSchedule, nodeTaintsPolicy Honor, "
        "matchLabelKeys [pod-template-hash], the pods' own labels",
        severity=Severity.HIGH,
        types=(DEPLOYMENT,),
        check=spread,
        config={"zones": {"type": "integer", "minimum": 1, "default": 2}},
    ),
    Rule(
        "deployment-patience",
        "pods.patience",
        "A service's pods are replaced soon after their node is lost",
        "Tolerate node.kubernetes.io/not-ready and unreachable for 30 seconds (NoExecute, tolerationSeconds)",
        severity=Severity.MEDIUM,
        types=(DEPLOYMENT,),
        check=patience,
        config={"seconds": {"type": "integer", "minimum": 0, "default": 60}},
    ),
    Rule(
        "deployment-disruption-budget",
        "pods.disruption-budget",
        "A service's pods go one after the other, and can go",
        "Add a PodDisruptionBudget with maxUnavailable 1, unhealthyPodEvictionPolicy AlwaysAllow and the pods' labels",
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
