"""Which pods to move so that each service has as many in one zone as in another, or one more.

Kubernetes places new pods evenly, but leaves those that run where they are: after a lost zone is back, or a node's pods
were moved, zones differ. A pod that is evicted is replaced where the fewest of its release are (the program's spread
doesn't let it go elsewhere), so one is moved only if its room is there already: none waits for a node.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Room:
    """Processors and GiB of memory."""

    processors: float
    gib: float

    def fits(self, other: "Room") -> bool:
        return self.processors >= other.processors and self.gib >= other.gib

    def without(self, other: "Room") -> "Room":
        return Room(self.processors - other.processors, self.gib - other.gib)


@dataclass(frozen=True)
class Node:
    """A node that accepts pods; `free` is what none of them has, but those that would give way."""

    name: str
    zone: str
    free: Room


@dataclass(frozen=True)
class Pod:
    """A running pod of a service; `since` orders pods by age."""

    name: str
    service: str
    node: str
    since: str
    takes: Room


def moves(nodes: Sequence[Node], pods: Iterable[Pod]) -> list[Pod]:
    """Return the pods to evict, at most one a service; `pods` are those of services of which nothing is in motion.

    Pods on nodes that are not among `nodes` don't count.
    """
    free = {node.name: node.free for node in nodes}
    zone_of = {node.name: node.zone for node in nodes}
    by_service: dict[str, list[Pod]] = {}
    for pod in pods:
        if pod.node in zone_of:
            by_service.setdefault(pod.service, []).append(pod)
    chosen = (_move(zone_of, free, by_service[service]) for service in sorted(by_service))
    return [pod for pod in chosen if pod is not None]


def _move(zone_of: Mapping[str, str], free: dict[str, Room], pods: Sequence[Pod]) -> Pod | None:
    """Return the youngest pod of the fullest zone, if an emptiest has two fewer and room; then take the room."""
    counts = Counter(dict.fromkeys(zone_of.values(), 0))
    counts.update(zone_of[pod.node] for pod in pods)
    fullest, fewest = max(sorted(counts), key=counts.__getitem__), min(counts.values())
    if counts[fullest] - fewest < 2:
        return None
    pod = max((each for each in pods if zone_of[each.node] == fullest), key=lambda each: (each.since, each.name))
    for node, room in free.items():
        if counts[zone_of[node]] == fewest and room.fits(pod.takes):
            free[node] = room.without(pod.takes)
            return pod
    return None
