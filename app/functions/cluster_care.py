"""Even the cluster's pods over the zones, and raise and lower their number ahead of and after sales, each minute.

The handler needs no database, and whatever it does it would do again at its next call. So it ends a floor on time
though whatever planned the floor has died, and nothing is lost if a call fails.
"""

import os
from typing import Any

import structlog

from app import aws, kubernetes
from app.care import floors, service
from app.care.floors import Floor
from app.clock import SystemClock


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001  Lambda passes them
    """Return {"least": {service: minimum, …}, "evicted": [pod, …]}: what was done.

    If the plan of floors can't be read or applied, the minima stay, and the pods are evened before the error is raised.
    """
    cluster, namespace = kubernetes.of_cluster(os.environ["CLUSTER"]), os.environ["NAMESPACE"]
    try:
        least = service.set_least(cluster, namespace, _planned(os.environ["FLOORS"]), SystemClock().now())
    finally:
        evicted = service.even(cluster, namespace)
    if least or evicted:
        structlog.get_logger().info("cared for pods", least=least, evicted=evicted)
    return {"least": least, "evicted": evicted}


def _planned(parameter: str) -> list[Floor]:
    ssm = aws.client("ssm")
    try:
        value = ssm.get_parameter(Name=parameter)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:  # nothing was ever planned
        return []
    return floors.read(value)
