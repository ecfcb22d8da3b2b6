"""All layers of an environment in memory: `python -m stacks.plan prod` writes what they are to build/plan/prod."""

import json
import sys
from collections import Counter
from dataclasses import asdict
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


def write(environment: str, folder: Path) -> Path:
    """graph.json: every resource with its parent, dependencies, protection and inputs, and what the layers export."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "graph.json"
    file.write_text(json.dumps(asdict(graph(environment)), indent=1, sort_keys=True, default=_listed) + "\n")
    return file


def _listed(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)


def main(arguments: list[str]) -> int:
    """Exit code 2 with one line where there is no such environment, or its settings do not fit."""
    environments = sorted(path.name.split(".")[2] for path in (ROOT / "stacks" / "config").glob("Pulumi.base.*.yaml"))
    if len(arguments) != 1 or arguments[0] not in environments:
        sys.stderr.write(f"plan: name one of {', '.join(environments)}\n")
        return 2
    file = write(arguments[0], Path("build") / "plan" / arguments[0])
    resources = json.loads(file.read_text())["resources"]
    kinds = Counter(resource["stack"] for resource in resources if resource["custom"])
    sys.stdout.write("".join(f"{stack:16}{count:5} resources\n" for stack, count in kinds.items()) + f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
