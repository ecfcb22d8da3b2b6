"""Read a cluster's state, evict pods of uneven services, and set the autoscalers' minima."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.care.evening import Node, Pod, Room, moves
from app.care.floors import Floor, now_least
from app.kubernetes import Kubernetes
from app.processes import LEAST

_NAME, _ZONE = "app.kubernetes.io/name", "topology.kubernetes.io/zone"
_DISRUPTED, _GONE = 429, 404
_BINARY = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3, "": 1}


def set_least(kubernetes: Kubernetes, namespace: str, floors: Sequence[Floor], now: datetime) -> dict[str, int]:
    """Set the autoscalers' minima to what the floors ask for now, and return those that changed.

    Autoscalers without the annotation of their usual minimum are left alone. Repeating it does nothing. Raises
    HTTPError and URLError.
    """
    path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
    scaled = {
        item["metadata"]["name"]: item
        for item in kubernetes.items(path)
        if LEAST in item["metadata"].get("annotations", {})
    }
    usual = {
        name: (int(item["metadata"]["annotations"][LEAST]), int(item["spec"]["maxReplicas"]))
        for name, item in scaled.items()
    }
    least = now_least(floors, usual, now)
    changed = {name: least[name] for name, item in scaled.items() if item["spec"].get("minReplicas", 1) != least[name]}
    for name, replicas in changed.items():
        kubernetes.call("PATCH", f"{path}/{name}?fieldManager=cluster-care", {"spec": {"minReplicas": replicas}})
    return changed


def even(kubernetes: Kubernetes, namespace: str) -> list[str]:
    """Evict a pod of each uneven service, unless disruption budgets forbid it now; return their names.

    A service is left alone until all its pods run. Raises HTTPError and URLError.
    """
    settled = {
        deployment["metadata"]["name"]
        for deployment in kubernetes.items(f"/apis/apps/v1/namespaces/{namespace}/deployments")
        if _is_settled(deployment)
    }
    everywhere = [pod for pod in kubernetes.items("/api/v1/pods") if _runs(pod)]
    nodes = list(_nodes(kubernetes.items("/api/v1/nodes"), everywhere))
    pods = [
        _pod(pod)
        for pod in everywhere
        if pod["metadata"]["namespace"] == namespace and pod["metadata"].get("labels", {}).get(_NAME) in settled
    ]
    return [pod.name for pod in moves(nodes, pods) if _is_evicted(kubernetes, namespace, pod.name)]


def _is_evicted(kubernetes: Kubernetes, namespace: str, pod: str) -> bool:
    meta = {"name": pod, "namespace": namespace}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    return kubernetes.tried("POST", path, eviction, unless={_DISRUPTED, _GONE})


def _is_settled(deployment: Mapping[str, Any]) -> bool:
    """Return true if all wanted pods of the newest release are available, and no others are left."""
    meta, wanted, status = deployment["metadata"], deployment["spec"]["replicas"], deployment["status"]
    counts = (status.get(f"{kind}eplicas", 0) for kind in ("r", "updatedR", "availableR"))
    return status.get("observedGeneration") == meta["generation"] and all(count == wanted for count in counts)


def _runs(pod: Mapping[str, Any]) -> bool:
    return "nodeName" in pod["spec"] and pod["status"].get("phase") in {"Pending", "Running"}


def _nodes(items: Sequence[Mapping[str, Any]], pods: Sequence[Mapping[str, Any]]) -> Iterator[Node]:
    """Yield the nodes that accept pods, with the room that pods of no lower priority than ours leave."""
    taken: dict[str, list[Room]] = defaultdict(list)
    for pod in pods:
        if pod["spec"].get("priority", 0) >= 0:
            taken[pod["spec"]["nodeName"]].append(_requested(pod))
    for item in filter(_is_open, items):
        meta, free = item["metadata"], _room(item["status"]["allocatable"])
        for room in taken[meta["name"]]:
            free = free.without(room)
        yield Node(meta["name"], meta["labels"][_ZONE], free)


def _is_open(node: Mapping[str, Any]) -> bool:
    """Return true if a node is ready and not about to go. A zone whose nodes are not counts as lost."""
    ready = {each["type"]: each["status"] for each in node["status"].get("conditions", ())}.get("Ready")
    taints = {taint["effect"] for taint in node["spec"].get("taints", ())}
    closed = node["spec"].get("unschedulable", False) or taints - {"PreferNoSchedule"}
    return ready == "True" and not closed and _ZONE in node["metadata"].get("labels", {})


def _pod(item: Mapping[str, Any]) -> Pod:
    meta = item["metadata"]
    since = str(meta["creationTimestamp"])
    return Pod(meta["name"], meta["labels"][_NAME], item["spec"]["nodeName"], since, _requested(item))


def _requested(pod: Mapping[str, Any]) -> Room:
    rooms = [_room(container.get("resources", {}).get("requests", {})) for container in pod["spec"]["containers"]]
    return Room(sum(room.processors for room in rooms), sum(room.gib for room in rooms))


def _room(resources: Mapping[str, str]) -> Room:
    cpu, memory = resources.get("cpu", "0"), resources.get("memory", "0")
    processors = float(cpu.removesuffix("m")) / (1000 if cpu.endswith("m") else 1)
    number = memory.rstrip("KMGi")
    return Room(processors, float(number) * _BINARY[memory[len(number) :]] / 1024**3)
