"""Policy rules for what reaches pods: Services, Ingresses and NetworkPolicies."""

from collections.abc import Iterator, Mapping
from typing import Any

from pulumi_policy import Severity

from policies.rules.addresses import is_anywhere, without
from policies.rules.properties import Condition, Must, is_, items, number, value
from policies.rules.rule import Config, Rule, Subject

SERVICE = "kubernetes:core/v1:Service"
NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
_NONE = Condition("none", lambda it: not it, (["203.0.113.9"],))
_MOST_PORTS = 100


def open_rules(subject: Subject, _: Config) -> Iterator[str]:
    """Yields violations for NetworkPolicy rules that admit everybody, open every port, or let pods reach everything.

    Pods may reach named ports at any address, because AWS's services have no fixed address ranges.
    """
    for rule in items(subject.props, "spec.ingress"):
        if _is_open(items(rule, "from")):
            yield "it lets everybody in"
        elif not _names_ports(rule):
            yield "it lets in to every port"
    for rule in items(subject.props, "spec.egress"):
        if _is_open(items(rule, "to")) and not _names_ports(rule):
            yield "it lets pods reach everything"


def _is_open(peers: list[Mapping[str, Any]]) -> bool:
    """Returns whether a NetworkPolicy rule admits everybody: it names no peer, or all pods, or all addresses."""
    ranges = [part for peer in peers for part in without(items(peer, "ipBlock.cidr"), items(peer, "ipBlock.except"))]
    return not peers or is_anywhere(ranges) or any(_selects_all(peer) for peer in peers)


def _selects_all(peer: Mapping[str, Any]) -> bool:
    selectors = [value(peer, key) for key in ("podSelector", "namespaceSelector") if value(peer, key) is not None]
    narrow = any(
        value(selector, "matchLabels")
        or any(value(it, "operator") in {"In", "Exists"} for it in items(selector, "matchExpressions"))
        for selector in selectors
    )
    return not narrow and value(peer, "ipBlock") is None


def _names_ports(rule: Mapping[str, Any]) -> bool:
    ports = items(rule, "ports")
    spans = [(number(value(it, "endPort")) or 0) - (number(value(it, "port")) or 0) for it in ports]
    return bool(ports) and all(value(it, "port") is not None for it in ports) and max(spans) < _MOST_PORTS


RULES = (
    Rule(
        "services-inside",
        "own.front-door",
        "A Service is reached inside the cluster alone: what faces the internet is the one load balancer",
        "Leave its type ClusterIP, without addresses; add a route to the load balancer (platform/cloud/route.py)",
        {
            SERVICE: (
                Must("spec.type", is_("ClusterIP", "LoadBalancer", "NodePort", "ExternalName"), default="ClusterIP"),
                Must("spec.externalIPs", _NONE),
                Must("spec.loadBalancerIP", _NONE),
                Must("spec.externalName", _NONE),
            )
        },
        severity=Severity.CRITICAL,
        refuses=("kubernetes:networking.k8s.io/v1:Ingress", "kubernetes:core/v1:Endpoints"),
    ),
    Rule(
        "network-policy-narrow",
        "own.network-policies",
        "A NetworkPolicy names who comes in, on which ports, and where pods may go",
        "Name peers by labels or narrow ranges, and ports",
        severity=Severity.CRITICAL,
        types=(NETWORK_POLICY,),
        check=open_rules,
    ),
)
