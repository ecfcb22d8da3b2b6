"""Variants of the program's objects for scenes to compare: as shipped, as it was, and what else could be.

docs/decisions/zones.md tells what the comparison showed.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

from app.processes import LEAST
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


def _without_headroom(objects: Objects) -> Objects:
    return [each for each in objects if each["metadata"]["name"] != HEADROOM]


def _scaled(objects: Objects, *, headroom: int | None = None, doubling: bool = False, catalog: int = 0) -> Objects:
    """Give the program's objects another number of headroom's pods, or of catalog's at the least.

    Or let autoscalers at most double the pods, or add four, every 15 seconds.
    """
    for each in objects:
        kind, name = each["kind"], each["metadata"]["name"]
        if headroom is not None and (kind, name) == ("ReplicaSet", HEADROOM):
            each["spec"]["replicas"] = headroom
        if doubling and kind == "HorizontalPodAutoscaler":
            each["spec"]["behavior"]["scaleUp"]["policies"] = [
                {"type": "Percent", "value": 100, "periodSeconds": 15},
                {"type": "Pods", "value": 4, "periodSeconds": 15},
            ]
        if catalog and (kind, name) == ("HorizontalPodAutoscaler", "catalog"):
            each["spec"]["minReplicas"] = catalog
            each["metadata"]["annotations"][LEAST] = str(catalog)
    return objects


_WHAT_WAS = partial(_spread, when="DoNotSchedule", least_zones=3, patience=None)
_HARD = partial(_spread, when="DoNotSchedule", least_zones=2, patience=30)
_SOFT = partial(_spread, when="ScheduleAnyway", least_zones=None, patience=30)
VARIANTS: dict[str, Callable[[Objects], Objects]] = {
    SHIPPED: lambda objects: objects,
    "as-it-was": lambda objects: _WHAT_WAS(_without_headroom(objects)),
    "hard": lambda objects: _HARD(_without_headroom(objects)),
    "soft": lambda objects: _SOFT(_without_headroom(objects)),
    "soft-headroom": _SOFT,
    "doubling": partial(_scaled, doubling=True),
    "headroom-3": partial(_scaled, headroom=3),
    "headroom-24": partial(_scaled, headroom=24),
    "catalog-6": partial(_scaled, headroom=6, catalog=6),
}
"""Each gives the program's objects other settings; `as-it-was`, `hard` and `soft` have no headroom."""
UNATTENDED = {"as-it-was"}
"""Variants in which no function evens pods."""


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
