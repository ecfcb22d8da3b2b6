"""All layers of an environment in memory: `python -m stacks.offline.plan prod` writes the resources (graph.json), their
picture (diagram.svg) and their cost (cost.json) to build/plan/prod, and prints a summary.
"""

import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from stacks.offline import cost, diagram
from stacks.offline.recording import Graph, record
from stacks.program import run
from stacks.settings import PROJECT, Layer

ROOT = Path(__file__).parents[2]


PREVIEW = "preview"


def config(stack: str, **differing: Any) -> dict[str, str]:
    """The configuration that the engine hands to a stack: Pulumi.yaml's defaults, the stack's file, then `differing`.

    A preview has no file until it begins; it takes `preview.yaml`.
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
    """Runs the layers of an environment in the order of `pulumi up`."""
    *_, (whole, _) = runs(environment, layers, **differing)
    return whole


def runs(environment: str, layers: tuple[Layer, ...] = tuple(Layer), **differing: Any) -> Iterator[tuple[Graph, float]]:
    """Yields after each layer the graph so far, and the seconds that importing and running the layer took."""
    graph = Graph()
    for layer in layers:
        stack, begun = f"{layer}.{environment}", time.perf_counter()
        graph = record(stack, run, config(stack, **differing), graph)
        yield graph, time.perf_counter() - begun


def preview(number: str, expires: str, dev: Graph) -> Graph:
    """Dev's layers with one preview on top."""
    stack = f"{Layer.APPS}.pr-{number}"
    return record(stack, run, config(stack, expires=expires), dev)


@dataclass(frozen=True)
class Plan:
    graph: Graph
    seconds: dict[str, float]
    costs: dict[str, Any]

    @classmethod
    def of(cls, environment: str) -> "Plan":
        graph, seconds = Graph(), {}
        for graph, took in runs(environment):
            seconds[graph.resources[-1].stack] = took
        return cls(graph, seconds, cost.estimate(graph, cost.Prices.read()))

    def write(self, environment: str, folder: Path) -> None:
        """Writes each resource with its parent, dependencies, protection and inputs."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "graph.json").write_text(_json(asdict(self.graph)))
        (folder / "cost.json").write_text(_json(self.costs))
        (folder / "diagram.svg").write_text(diagram.svg(self.graph, environment))

    def summary(self) -> str:
        kinds = Counter(resource.stack for resource in self.graph.resources if resource.custom)
        lines = [f"{stack:16}{count:5} resources{self.seconds[stack]:7.1f} s" for stack, count in kinds.items()]
        return "\n".join([*lines, "", *_table(self.costs)]) + "\n"


def _table(costs: dict[str, Any], shown: int = 10) -> Iterator[str]:
    """USD a month by AWS service: the most expensive ones, then the rest in one line."""
    loads, prices = costs["loads"], costs["prices"]
    services: dict[str, Counter[str]] = {}
    for token, typed in costs["by_type"].items():
        service = token.split(":")[1].split("/")[0] if token.startswith("aws:") else token.split(":")[0]
        services.setdefault(service, Counter()).update(typed["usd"])
    dearest = sorted(services, key=lambda name: -max(services[name].values()))
    rows = [(name, services[name]) for name in dearest[:shown]]
    rest: Counter[str] = sum((services[name] for name in dearest[shown:]), Counter())
    rows += [(f"{len(dearest) - shown} others", rest), ("total", Counter(costs["usd_a_month"]))]
    yield f"{'USD a month':16}" + "".join(f"{load:>12}" for load in loads)
    yield from (f"{name:16}" + "".join(f"{usd[load]:12,.0f}" for load in loads) for name, usd in rows)
    assumed = "; ".join(f"{load}: {of['requests_a_second']:g} requests/s" for load, of in loads.items())
    yield f"{assumed}. Prices: {prices['region']}, {prices['as_of']}; cost.json says how, and what has no price."


def _json(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True, default=_listed) + "\n"


def _listed(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)


def main(arguments: list[str]) -> int:
    """Exit code 2 with one line if there is no such environment or its settings are invalid."""
    environments = sorted(path.name.split(".")[2] for path in (ROOT / "stacks" / "config").glob("Pulumi.base.*.yaml"))
    if len(arguments) != 1 or arguments[0] not in environments:
        sys.stderr.write(f"plan: name one of {', '.join(environments)}\n")
        return 2
    folder = Path("build") / "plan" / arguments[0]
    plan = Plan.of(arguments[0])
    plan.write(arguments[0], folder)
    sys.stdout.write(f"{plan.summary()}{folder}: graph.json, diagram.svg, cost.json\n")
    return 0


if __name__ == "__main__":
    gc.disable()  # collection takes a third of the time, and the process ends soon
    sys.exit(main(sys.argv[1:]))
