"""All layers of an environment in memory."""

import json
from pathlib import Path
from typing import Any

import yaml

from stacks.program import run
from stacks.recording import Graph, record
from stacks.settings import PROJECT, Layer

ROOT = Path(__file__).parent.parent


PREVIEW = "preview"


def config(stack: str, **differing: Any) -> dict[str, str]:
    """What the engine would hand to a stack: Pulumi.yaml's defaults, the stack's own file, and then `differing`.

    A preview's own file is made from `preview.yaml` when it is begun.
    """
    _, _, environment = stack.partition(".")
    file = f"Pulumi.{stack}.yaml" if not environment.startswith("pr-") else f"{PREVIEW}.yaml"
    own = yaml.safe_load((ROOT / "stacks" / "config" / file).read_text())["config"]
    defaults = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    values = {key: spec["default"] for key, spec in defaults.items()}
    given = {key.removeprefix(f"{PROJECT}:"): value for key, value in own.items()}
    return {_full(key): _text(value) for key, value in {**values, **given, **differing}.items()}


def _full(key: str) -> str:
    return key if ":" in key else f"{PROJECT}:{key}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def graph(environment: str, layers: tuple[Layer, ...] = tuple(Layer), **differing: Any) -> Graph:
    """The layers of an environment, in the order of `pulumi up`."""
    made = Graph()
    for layer in layers:
        stack = f"{layer}.{environment}"
        made = record(stack, run, config(stack, **differing), made)
    return made


def preview(number: str, expires: str, dev: Graph) -> Graph:
    """Dev's layers with one preview on top."""
    stack = f"{Layer.APPS}.pr-{number}"
    return record(stack, run, config(stack, expires=expires), dev)
