"""Graphs of whole environments' resources. Each is recorded once per process, because it takes seconds."""

from functools import cache
from pathlib import Path
from typing import Any

from pipelines import delivered
from stacks.offline import plan
from stacks.offline.recording import Graph, record
from stacks.program import run
from stacks.settings import Layer

_CONFIG = Path(__file__).parent.parent.parent / "stacks" / "config"
ENVIRONMENTS = sorted({path.name.split(".")[2] for path in _CONFIG.glob("Pulumi.*.yaml")})
"""Each that has settings: a new one is tried as the others are."""


@cache
def graph_of(environment: str, layers: tuple[Layer, ...] = tuple(Layer), **differing: Any) -> Graph:
    """Return the graph of an environment's resources; `differing` are other settings, lists as JSON text."""
    return plan.graph(environment, layers, **differing)


def delivery_of(environment: str, **differing: Any) -> Graph:
    """Return the delivery layer's resources under other settings, given the exports of the other layers."""
    stack = f"{Layer.DELIVERY}.{environment}"
    below = Graph(exports=graph_of(environment).exports)
    return record(stack, run, plan.config(stack, **differing), below)


IMAGE, VERSIONS = {"image": "sha256:" + "a" * 64}, {"functions/vendor-feed": "2"}
"""Values in Parameter Store that a delivery of the image and one of a function write."""


def apps_of(environment: str, **parameters: str) -> Graph:
    """Return the graph of an environment's apps layer, given the values in Parameter Store that deliveries wrote."""
    stack, below = f"{Layer.APPS}.{environment}", Graph(exports=graph_of(environment).exports)
    folder = delivered.folder("rewards")
    known = {f"{folder}/{name}": value for name, value in parameters.items()}
    return record(stack, run, plan.config(stack), below, known)


@cache
def preview_on_dev() -> Graph:
    return plan.preview("123", "2026-12-01", graph_of("dev"))
