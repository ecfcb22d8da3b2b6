"""All layers of an environment in memory."""

import json
from pathlib import Path
from typing import Any

import yaml

from stacks.program import run
from stacks.recording import Graph, record
from stacks.settings import PROJECT, Layer

ROOT = Path(__file__).parent.parent


def config(stack: str, **differing: Any) -> dict[str, str]:
    """What the engine would hand to a stack: Pulumi.yaml's defaults, the stack's own file, and then `differing`."""
    defaults = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    path = ROOT / "stacks" / "config" / f"Pulumi.{stack}.yaml"
    own = yaml.safe_load(path.read_text())["config"]
    values = {key: spec["default"] for key, spec in defaults.items()} | own | differing
    return {_full(key): value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


def _full(key: str) -> str:
    return key if ":" in key else f"{PROJECT}:{key}"


def graph(environment: str, layers: tuple[Layer, ...] = tuple(Layer), **differing: Any) -> Graph:
    """The layers of an environment, in the order of `pulumi up`."""
    made = Graph()
    for layer in layers:
        stack = f"{layer}.{environment}"
        made = record(stack, run, config(stack, **differing), made)
    return made
