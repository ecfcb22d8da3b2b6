"""Pod specifications, for all workloads: no root, only /tmp writable, no privileges, limits, graceful shutdown.

Satisfies Kubernetes' `restricted` Pod Security Standard. The service account's token is not mounted: Pod Identity
brings its own, for AWS only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

core = kubernetes.core.v1
USER = 10_001
# A pod answers for so long after Kubernetes stops it: until the load balancer sends it no more requests.
_DRAIN_SECONDS = 15
_GRACE_SECONDS = 45
# A node counts as lost after 50 seconds of silence; a network that comes back within these replaces no pod.
_PATIENCE_SECONDS = 30
ZONE = "topology.kubernetes.io/zone"
_DNS, _HTTPS, _POD_IDENTITY = 53, 443, "169.254.170.23/32"


@dataclass(frozen=True, kw_only=True)
class Size:
    """A container's resources: memory and disk are limited to their requests, CPU may burst up to `cpu_limit`.

    The disk holds what is in /tmp, and the container's log, of which the node keeps five files of 10 MiB.
    """

    cpu: str = "250m"
    memory: str = "512Mi"
    disk: str = "640Mi"
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
    """Returns a container's spec; `mounts` maps names of volumes to paths. /tmp is always writable."""
    volumes = {"tmp": "/tmp", **(mounts or {})}  # noqa: S108
    return {
        "name": name,
        "image": image,
        "command": list(command),
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "resources": {
            "requests": {"cpu": size.cpu, "memory": size.memory, "ephemeral-storage": size.disk},
            "limits": {"cpu": size.cpu_limit, "memory": size.memory, "ephemeral-storage": size.disk},
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


def serving(container: dict[str, Any], port: int) -> dict[str, Any]:
    """Returns the container's spec with probes, and a pause before shutdown while the load balancer drains the pod."""
    return {**probed(container, port), "lifecycle": {"pre_stop": {"sleep": {"seconds": _DRAIN_SECONDS}}}}


def probed(container: dict[str, Any], port: int) -> dict[str, Any]:
    """Returns the container's spec with probes: ready while the database answers, restarted when the process hangs."""
    live = {"http_get": {"path": "/health/live", "port": "http"}}
    ready = {"http_get": {"path": "/health/ready", "port": "http"}}
    return {
        **container,
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
    """Returns a pod's spec; `first` are its init containers, in order."""
    # On the node's disk, not in memory: up to 8 vendors' feeds of 32 MB wait there, and two are being expanded.
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


def spread(selector: Mapping[str, str]) -> dict[str, Any]:
    """Returns the fields of a pod's spec that spread pods of one release evenly over the zones whose nodes are heard.

    A zone that is lost isn't waited for: its pods go to the others. At least two zones have pods. Anti-affinity is only
    preferred: if required, it would limit the replicas to the number of zones. docs/decisions/zones.md says why.
    """
    labels = {"match_labels": dict(selector)}
    return {
        "affinity": {
            "pod_anti_affinity": {
                "preferred_during_scheduling_ignored_during_execution": [
                    {"weight": 100, "pod_affinity_term": {"topology_key": ZONE, "label_selector": labels}}
                ]
            }
        },
        "topology_spread_constraints": [
            {
                "max_skew": 1,
                "min_domains": 2,
                "topology_key": ZONE,
                "when_unsatisfiable": "DoNotSchedule",
                "node_taints_policy": "Honor",
                "match_label_keys": ["pod-template-hash"],
                "label_selector": labels,
            }
        ],
        "tolerations": patience(_PATIENCE_SECONDS),
    }


def patience(seconds: int) -> list[dict[str, Any]]:
    """Returns a pod's tolerations: it is replaced when its node has been lost for so long (Kubernetes: 300 seconds)."""
    return [
        {
            "key": f"node.kubernetes.io/{why}",
            "operator": "Exists",
            "effect": "NoExecute",
            "toleration_seconds": seconds,
        }
        for why in ("not-ready", "unreachable")
    ]


def annotated(awaited: bool) -> dict[str, str]:
    """Returns a workload's annotations; unless `awaited`, `pulumi up` does not wait until its pods are ready."""
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
    """Makes a network policy: pods may connect to DNS, HTTPS, Pod Identity and `egress_ports`.

    `served` is the address range that may connect to the pods, and the port; None means that nobody may. The namespace
    denies all other connections.
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
