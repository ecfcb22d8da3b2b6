"""What can be seen of the cluster at a moment: each Deployment's pods by zone, the nodes and what they cost."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.work import NODE_PROCESSORS
from tests.rehearsal.play import NAME, NAMESPACE
from tests.rehearsal.stage import Stage
from tests.rehearsal.stage_data import ZONE

_AGENTS_PROCESSORS = 2 - NODE_PROCESSORS
"""What the agents of Kubernetes, network and monitoring use of a node's processors."""


@dataclass(frozen=True)
class Pod:
    """A pod that isn't being deleted. `zone` and `node` are empty while it is pending.

    `ready_for` are seconds, 0 if it isn't ready. `requested` and `limit` are processors.
    """

    name: str
    deployment: str
    labels: Mapping[str, str]
    containers: tuple[str, ...]
    image: str
    node: str
    zone: str
    ready_for: float
    requested: float
    limit: float


@dataclass(frozen=True)
class Look:
    """`wanted` are replicas by Deployment; `nodes` the numbers of nodes that are ready, by zone.

    `processors` are those that pods may use on each node, by its name.
    """

    pods: Sequence[Pod]
    wanted: Mapping[str, int]
    nodes: Mapping[str, int]
    processors: Mapping[str, float]
    usd_an_hour: float

    def running(self, deployment: str) -> Counter[str]:
        """Return the number of a Deployment's ready pods by zone."""
        return Counter(pod.zone for pod in self.pods if pod.deployment == deployment and pod.ready_for)

    def pending(self, deployment: str) -> int:
        return sum(pod.deployment == deployment and not pod.zone for pod in self.pods)


def look(stage: Stage) -> Look:
    """Read the cluster's state."""
    nodes = stage.nodes()
    zones = {node["metadata"]["name"]: str(node["metadata"]["labels"][ZONE]) for node in nodes}
    instances = {instance.name: instance for instance in stage.figures.instances}
    types = {
        node["metadata"]["name"]: instances[node["metadata"]["labels"]["node.kubernetes.io/instance-type"]]
        for node in nodes
    }
    pods = stage.api.list(f"/api/v1/namespaces/{NAMESPACE}/pods")
    deployments = stage.api.list(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments")
    wanted = {each["metadata"]["name"]: int(each["spec"]["replicas"]) for each in deployments}
    return Look(
        pods=[
            _pod(pod, zones)
            for pod in pods
            if pod["metadata"]["labels"].get(NAME) in wanted and "deletionTimestamp" not in pod["metadata"]
        ],
        wanted=wanted,
        nodes=Counter(zones[node["metadata"]["name"]] for node in nodes if _ready_for(node)),
        processors={name: type_.processors - _AGENTS_PROCESSORS for name, type_ in types.items()},
        usd_an_hour=sum(type_.usd_an_hour for type_ in types.values()),
    )


def _pod(pod: Mapping[str, Any], zones: Mapping[str, str]) -> Pod:
    meta, spec = pod["metadata"], pod["spec"]
    resources = [container["resources"] for container in spec["containers"]]
    return Pod(
        name=meta["name"],
        deployment=meta["labels"][NAME],
        labels=meta["labels"],
        containers=tuple(container["name"] for container in spec["containers"]),
        image=spec["containers"][0]["image"],
        node=spec.get("nodeName", ""),
        zone=zones.get(spec.get("nodeName", ""), ""),
        ready_for=_ready_for(pod),
        requested=sum(_processors(each["requests"]) for each in resources),
        limit=sum(_processors(each["limits"]) for each in resources),
    )


def _processors(resources: Mapping[str, str]) -> float:
    cpu = resources["cpu"]
    return float(cpu.removesuffix("m")) / 1000 if cpu.endswith("m") else float(cpu)


def _ready_for(thing: Mapping[str, Any]) -> float:
    """Return for how long a pod or node has been ready, at least a millisecond; 0 if it isn't."""
    for condition in thing["status"].get("conditions", ()):
        if condition["type"] == "Ready" and condition["status"] == "True":
            since = datetime.fromisoformat(condition["lastTransitionTime"])
            return max((datetime.now(UTC) - since).total_seconds(), 0.001)
    return 0.0
