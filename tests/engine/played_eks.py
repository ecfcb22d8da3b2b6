"""Simulates what EKS adds to a control plane: nodes in three zones, kinds of objects, and which groups a role is in.

No container runs. A pod that the scheduler has assigned to a node soon becomes ready, or complete if its restart policy
is not Always; its IP address is made up. The pod of an image that was never delivered stays pending, as if the image
could not be pulled. A deleted pod disappears at once.
"""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any

from stacks.settings import NO_IMAGE
from tests.engine import providers
from tests.engine.control_plane import Api, Refused, objects

ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
KINDS = {
    "NodePool": ("karpenter.sh", "Cluster"),
    "NodeClass": ("eks.amazonaws.com", "Cluster"),
    "TargetGroupBinding": ("eks.amazonaws.com", "Namespaced"),
}
"""EKS's kinds: API group, and whether their objects are in a namespace. Their schemas aren't checked here."""
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_LOOK_SECONDS = 0.3


@contextmanager
def playing(api: Api) -> Iterator[None]:
    """Create EKS's kinds and three nodes, and simulate the nodes' kubelets while the `with` block runs."""
    for kind, (group, scope) in KINDS.items():
        api.call("POST", _DEFINITIONS, definition(kind, group, scope))
    for zone in ZONES:
        api.call("POST", "/api/v1/nodes", _node(zone))
    ended = threading.Event()
    with ThreadPoolExecutor(1, "kubelets") as threads:
        kubelets = threads.submit(_play, api, ended)
        try:
            yield
        finally:
            ended.set()
            kubelets.result()  # raises what ended them before


def kubeconfig(api: Api) -> str:
    """Return a kubeconfig as EKS hands it out, as JSON: whoever uses it has `aws` fetch a token."""
    command = {"command": "aws", "args": ["eks", "get-token", "--cluster-name", "rewards-dev"]}
    return api.kubeconfig({"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", **command}})


def entered(api: Api, world: providers.World, role_arn: str) -> Api:
    """Return the API server as EKS lets a role call it, in the one group that the role's access entry names."""
    (entry,) = [
        inputs
        for urn, inputs in world.made.items()
        if "aws:eks/accessEntry:AccessEntry::" in urn and inputs["principalArn"] == role_arn
    ]
    (group,) = entry["kubernetesGroups"]
    return api.of(group)


def is_settled(api: Api) -> bool:
    """Return whether the API serves EKS's kinds, and every namespace has its default ConfigMap and service account."""
    try:
        groups = {group["name"] for group in api.call("GET", "/apis")["groups"]}
        present = objects(api)
    except Refused:  # a kind's storage isn't ready yet
        return False
    own = {
        (kind, namespace, name)
        for _, _, namespace in {each for each in present if each[0] == "Namespace"}
        for kind, name in (("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default"))
    }
    return {group for group, _ in KINDS.values()} <= groups and own <= present


def _play(api: Api, ended: threading.Event) -> None:
    while not ended.wait(_LOOK_SECONDS):
        try:
            for number, pod in enumerate(api.list("/api/v1/pods")):
                if pod["spec"].get("nodeName"):
                    _tell(api, pod, f"10.1.{number // 250}.{number % 250 + 1}")
        except (
            OSError,
            HTTPException,
            Refused,
            ValueError,
        ):  # a pod is gone, or the server is busy
            continue


def _tell(api: Api, pod: Mapping[str, Any], address: str) -> None:
    meta = pod["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
    if "deletionTimestamp" in meta:
        api.call("DELETE", path, gracePeriodSeconds="0")
    elif "podIP" not in pod["status"]:
        api.call("PATCH", f"{path}/status", {"status": _status(pod, address)})


def _status(pod: Mapping[str, Any], address: str) -> Mapping[str, Any]:
    containers, now = pod["spec"]["containers"], _now()
    if any(container["image"].endswith(NO_IMAGE) for container in containers):
        phase = "Pending"
    else:
        phase = "Running" if pod["spec"]["restartPolicy"] == "Always" else "Succeeded"
    ready = phase == "Running"
    state: dict[str, dict[str, Any]] = {
        "Pending": {"waiting": {"reason": "ImagePullBackOff"}},
        "Running": {"running": {"startedAt": now}},
        "Succeeded": {"terminated": {"exitCode": 0, "startedAt": now, "finishedAt": now}},
    }
    return {
        "phase": phase,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": now,
        "conditions": [{"type": "Ready", "status": str(ready), "lastTransitionTime": now}],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": container["image"],
                "ready": ready,
                "restartCount": 0,
                "state": state[phase],
            }
            for container in containers
        ],
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _node(zone: str) -> dict[str, Any]:
    room = {"cpu": "8", "memory": "32Gi", "pods": "58", "ephemeral-storage": "26Gi"}
    now = _now()
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": f"node-{zone}",
            "labels": {
                "kubernetes.io/hostname": f"node-{zone}",
                "kubernetes.io/arch": "arm64",
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/region": zone[:-1],
                "topology.kubernetes.io/zone": zone,
            },
        },
        "status": {
            "allocatable": room,
            "capacity": room,
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Played",
                    "lastHeartbeatTime": now,
                    "lastTransitionTime": now,
                }
            ],
        },
    }


def definition(kind: str, group: str, scope: str) -> dict[str, Any]:
    """Return a CustomResourceDefinition of a kind whose objects may have any fields."""
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
