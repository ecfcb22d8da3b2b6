"""How many processors each pod may use on a node that it shares with others, by the rules of Linux's scheduler."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from math import inf

from tests.rehearsal.look import Look, Pod
from tests.rehearsal.queueing import Served


def wanted(served: Mapping[str, Served]) -> dict[str, float]:
    """Return what a pod of each Deployment would use: what it used in the second before, or all if requests wait."""
    return {name: inf if outcome.waiting or outcome.shed else outcome.processors for name, outcome in served.items()}


def shares(seen: Look, wants: Mapping[str, float]) -> dict[str, float]:
    """Return the processors that each pod on a node may use, by the pod's name.

    Each pod has its share by what it requests, up to its limit. Those that want more share what others leave of theirs.
    """
    by_node = groupby(sorted((pod for pod in seen.pods if pod.node), key=lambda pod: pod.node), lambda pod: pod.node)
    return {
        name: share
        for node, pods in by_node
        for name, share in _shares([*pods], seen.processors.get(node, 0.0), wants).items()
    }


def _shares(pods: Sequence[Pod], processors: float, wants: Mapping[str, float]) -> dict[str, float]:
    """Divide a node's processors among its pods."""
    requested = sum(pod.requested for pod in pods)
    own = {pod.name: min(pod.limit, processors * pod.requested / requested) for pod in pods}
    left = processors - sum(min(own[pod.name], wants.get(pod.deployment, 0.0)) for pod in pods)
    hungry = [pod for pod in pods if wants.get(pod.deployment, 0.0) > own[pod.name]]
    asking = sum(pod.requested for pod in hungry)
    return own | {pod.name: min(pod.limit, own[pod.name] + left * pod.requested / asking) for pod in hungry}
