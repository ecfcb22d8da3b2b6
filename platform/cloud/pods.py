"""A pod as every pod here is: no root, nothing written but /tmp, no privileges, bounded, gone gracefully.

Satisfies Kubernetes' `restricted` Pod Security Standard; the service account's token is not mounted (Pod Identity
brings its own, for AWS alone).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

core = kubernetes.core.v1
USER = 10_001
# How long a pod goes on answering after it was told to end: the load balancer needs that to stop sending.
_DRAIN_SECONDS = 15
_GRACE_SECONDS = 45
_DNS, _HTTPS, _POD_IDENTITY = 53, 443, "169.254.170.23/32"


@dataclass(frozen=True, kw_only=True)
class Size:
    """Requests, and limits: memory is limited to what is asked for, CPU may burst."""

    cpu: str = "250m"
    memory: str = "512Mi"
    cpu_limit: str = "1"


def container(
    name: str,
    *,
    image: pulumi.Input[str],
    command: Sequence[str],
    environment: Mapping[str, pulumi.Input[str]],
    size: Size,
    mounts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """`mounts`: volume → path. /tmp is always there to write to."""
    volumes = {"tmp": "/tmp", **(mounts or {})}  # noqa: S108
    return {
        "name": name,
        "image": image,
        "command": list(command),
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "resources": {
            "requests": {"cpu": size.cpu, "memory": size.memory},
            "limits": {"cpu": size.cpu_limit, "memory": size.memory},
        },
        "security_context": {
            "run_as_non_root": True,
            "read_only_root_filesystem": True,
            "allow_privilege_escalation": False,
            "privileged": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volume_mounts": [{"name": volume, "mount_path": path} for volume, path in volumes.items()],
    }


def serving(made: dict[str, Any], port: int) -> dict[str, Any]:
    """A container that answers the load balancer's requests, until that has stopped sending them."""
    return {**probed(made, port), "lifecycle": {"pre_stop": {"sleep": {"seconds": _DRAIN_SECONDS}}}}


def probed(made: dict[str, Any], port: int) -> dict[str, Any]:
    """A container that says how it is: ready when its database is, restarted when it says that it stands still, or
    does not answer at all.
    """
    live = {"http_get": {"path": "/health/live", "port": "http"}}
    ready = {"http_get": {"path": "/health/ready", "port": "http"}}
    return {
        **made,
        "ports": [{"name": "http", "container_port": port}],
        "startup_probe": {**live, "period_seconds": 2, "failure_threshold": 30},
        "liveness_probe": {**live, "period_seconds": 10, "failure_threshold": 3, "timeout_seconds": 5},
        "readiness_probe": {**ready, "period_seconds": 5, "failure_threshold": 2, "timeout_seconds": 5},
    }


def pod(
    account: pulumi.Input[str],
    containers: Sequence[Mapping[str, Any]],
    *,
    first: Sequence[Mapping[str, Any]] = (),
    volumes: Sequence[Mapping[str, Any]] = (),
    restart: str = "Always",
) -> dict[str, Any]:
    """A pod's spec; `first` are its init containers, one after the other."""
    # On the node's disk, not in memory: vendors' feeds wait there, up to 8 of 32 MB and what two of them become.
    tmp = {"name": "tmp", "empty_dir": {"size_limit": "512Mi"}}
    return {
        "service_account_name": account,
        "automount_service_account_token": False,
        "enable_service_links": False,
        "node_selector": {"kubernetes.io/arch": "arm64"},
        "security_context": {
            "run_as_non_root": True,
            "run_as_user": USER,
            "run_as_group": USER,
            "fs_group": USER,
            "seccomp_profile": {"type": "RuntimeDefault"},
        },
        "termination_grace_period_seconds": _GRACE_SECONDS,
        "init_containers": list(first),
        "containers": list(containers),
        "volumes": [tmp, *volumes],
        "restart_policy": restart,
    }


def spread(selector: Mapping[str, str], zones: int) -> dict[str, Any]:
    """Over the zones evenly, and by preference apart: required anti-affinity would cap replicas at the zones' number.

    A zone that is gone leaves pods pending rather than crowded: skew counts all `zones`.
    """
    labels = {"match_labels": dict(selector)}
    zone = "topology.kubernetes.io/zone"
    return {
        "affinity": {
            "pod_anti_affinity": {
                "preferred_during_scheduling_ignored_during_execution": [
                    {"weight": 100, "pod_affinity_term": {"topology_key": zone, "label_selector": labels}}
                ]
            }
        },
        "topology_spread_constraints": [
            {
                "max_skew": 1,
                "min_domains": zones,
                "topology_key": zone,
                "when_unsatisfiable": "DoNotSchedule",
                "label_selector": labels,
            }
        ],
    }


def annotated(awaited: bool) -> dict[str, str]:
    """Whether `pulumi up` waits for the pods; it can't while there is no image yet."""
    return {} if awaited else {"pulumi.com/skipAwait": "true"}


def network_policy(
    name: str,
    opts: pulumi.ResourceOptions,
    *,
    namespace: pulumi.Input[str],
    selector: Mapping[str, str],
    egress_ports: Sequence[int],
    served: tuple[pulumi.Input[str], int] | None = None,
) -> kubernetes.networking.v1.NetworkPolicy:
    """What the namespace's default-deny leaves open: names, HTTPS, its AWS role, `egress_ports`.

    `served`: the address range that may connect to a port; None: nobody.
    """
    called: list[kubernetes.networking.v1.NetworkPolicyIngressRuleArgsDict] = []
    if served:
        callers, port = served
        called = [{"from_": [{"ip_block": {"cidr": callers}}], "ports": [{"protocol": "TCP", "port": port}]}]
    return kubernetes.networking.v1.NetworkPolicy(
        name,
        metadata={"name": name, "namespace": namespace, "labels": dict(selector)},
        spec={
            "pod_selector": {"match_labels": dict(selector)},
            "policy_types": ["Ingress", "Egress"],
            "ingress": called,
            "egress": [
                {"ports": [{"protocol": "UDP", "port": _DNS}, {"protocol": "TCP", "port": _DNS}]},
                {"ports": [{"protocol": "TCP", "port": port} for port in (_HTTPS, *egress_ports)]},
                {"to": [{"ip_block": {"cidr": _POD_IDENTITY}}], "ports": [{"protocol": "TCP", "port": 80}]},
            ],
        },
        opts=opts,
    )
