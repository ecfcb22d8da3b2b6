"""Variants of the program's objects for scenes to compare: as shipped, as it was, and what else could be.

docs/decisions/zones.md tells what the comparison showed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

from tests.rehearsal.play import deployments
from tests.rehearsal.stage_data import ZONE
from tests.rehearsal.times import Times

Objects = Sequence[dict[str, Any]]
SHIPPED = "shipped"
HEADROOM = "headroom"
_LOST = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def _spread(objects: Objects, *, when: str, least_zones: int | None, patience: int | None) -> Objects:
    """Give pods another spread over zones; `patience` are the seconds that they stay on a node that is silent."""
    for deployment in deployments(objects):
        spec = deployment["spec"]["template"]["spec"]
        constraint = {
            "maxSkew": 1,
            "topologyKey": ZONE,
            "whenUnsatisfiable": when,
            "labelSelector": {"matchLabels": deployment["spec"]["selector"]["matchLabels"]},
        }
        if patience is not None:
            constraint |= {"nodeTaintsPolicy": "Honor", "matchLabelKeys": ["pod-template-hash"]}
        if least_zones is not None:
            constraint["minDomains"] = least_zones
        spec["topologySpreadConstraints"] = [constraint]
        spec["tolerations"] = [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": patience}
            for key in (_LOST if patience is not None else ())
        ]
    return objects


def _headroom(objects: Objects, *, milliprocessors: int = 500) -> Objects:
    """Add a pod for each zone that does nothing, and makes room for any other pod."""
    labels = {"app.kubernetes.io/name": HEADROOM}
    resources = {"cpu": f"{milliprocessors}m", "memory": f"{2 * milliprocessors}Mi"}
    spread = {
        "maxSkew": 1,
        "topologyKey": ZONE,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels},
        "nodeTaintsPolicy": "Honor",
    }
    pod = {
        "priorityClassName": HEADROOM,
        "terminationGracePeriodSeconds": 0,
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "topologySpreadConstraints": [spread],
        "tolerations": [
            {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0} for key in _LOST
        ],
        "containers": [
            {"name": HEADROOM, "image": "none@" + "sha256:" + "1" * 64, "resources": {"requests": resources}}
        ],
    }
    return [
        *objects,
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HEADROOM}},
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": HEADROOM},
            "value": -10,
            "preemptionPolicy": "Never",
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": HEADROOM, "namespace": HEADROOM, "labels": labels},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
    ]


_HARD_TWO = partial(_spread, when="DoNotSchedule", least_zones=2, patience=30)
_SOFT = partial(_spread, when="ScheduleAnyway", least_zones=None, patience=30)
VARIANTS: dict[str, Callable[[Objects], Objects]] = {
    SHIPPED: lambda objects: objects,
    "hard-three": partial(_spread, when="DoNotSchedule", least_zones=3, patience=None),
    "hard-two": _HARD_TWO,
    "soft": _SOFT,
    "hard-two-headroom": lambda objects: _headroom(_HARD_TWO(objects)),
    "soft-headroom": lambda objects: _headroom(_SOFT(objects)),
}


def objects_of(variant: str, objects: Objects, times: Times) -> Objects:
    """Return the objects as a variant has them, with a scene's times."""
    return [*_hurried(VARIANTS[variant](deepcopy([*objects])), times)]


def _hurried(objects: Iterable[dict[str, Any]], times: Times) -> Iterator[dict[str, Any]]:
    for each in objects:
        if each["kind"] == "HorizontalPodAutoscaler" and times.quiet is not None:
            each["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] = times.quiet
        if each["kind"] == "NodePool" and times.quiet is not None:
            each["spec"]["disruption"]["consolidateAfter"] = f"{times.quiet}s"
        yield each
