"""Runs an environment's layers in memory and writes its plan to build/plan/prod: `python -m stacks.offline.plan prod`.

The plan is the resources (graph.json), their cost (cost.json) and pictures: where resources are (diagram.svg), a sheet
for each business flow (order-placement.svg and so on), and one page that switches between them (diagram.html). Prints a
summary.
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

from pipelines.preview import naming
from stacks.offline import cost, diagram, sheets, sizing
from stacks.offline.recording import Graph, record
from stacks.program import run
from stacks.settings import PROJECT, Layer, Settings
from stacks.sizes import Size

ROOT = Path(__file__).parents[2]
PREVIEW = "preview"


def config(stack: str, **differing: Any) -> dict[str, str]:
    """Returns a stack's configuration as Pulumi passes it: from Pulumi.yaml, then the stack's file, then `differing`.

    For a preview of a pull request, `preview.yaml` replaces the stack's file, which does not exist yet.
    """
    _, _, environment = stack.partition(".")
    file = f"Pulumi.{stack}.yaml" if not environment.startswith("pr-") else f"{PREVIEW}.yaml"
    own = yaml.safe_load((ROOT / "stacks" / "config" / file).read_text())["config"]
    defaults = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    values = {key: spec["default"] for key, spec in defaults.items()}
    values |= {key.removeprefix(f"{PROJECT}:"): value for key, value in own.items()}
    return {_full(key): _text(value) for key, value in {**values, **differing}.items()}


def _full(key: str) -> str:
    return key if ":" in key else f"{PROJECT}:{key}"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def graph(environment: str, layers: tuple[Layer, ...] = tuple(Layer), **differing: Any) -> Graph:
    """Runs an environment's layers in the order of `pulumi up`, and returns the resources that they register."""
    *_, (whole, _) = runs(environment, layers, **differing)
    return whole


def runs(environment: str, layers: tuple[Layer, ...] = tuple(Layer), **differing: Any) -> Iterator[tuple[Graph, float]]:
    """Runs the layers in order; after each, yields the graph of all resources so far, and the layer's duration (s)."""
    graph = Graph()
    for layer in layers:
        stack, begun = f"{layer}.{environment}", time.perf_counter()
        graph = record(stack, run, config(stack, **differing), graph)
        yield graph, time.perf_counter() - begun


def preview(number: str, expires: str, dev: Graph) -> Graph:
    """Returns the graph `dev` with the resources of a pull request's preview, which runs on dev's other layers."""
    stack = f"{Layer.APPS}.pr-{number}"
    named = {"pulumi:autonaming": {"pattern": naming(number)}}
    return record(stack, run, config(stack, expires=expires, **named), dev)


@dataclass(frozen=True)
class Plan:
    graph: Graph
    seconds: dict[str, float]
    costs: dict[str, Any]
    settings: Settings

    @classmethod
    def of(cls, environment: str) -> "Plan":
        whole, seconds = Graph(), {}
        for whole, took in runs(environment):
            seconds[whole.resources[-1].stack] = took
        settings, prices = Settings.read(f"data.{environment}", config(f"data.{environment}")), cost.Prices.read()
        costs = cost.estimate(whole, prices)
        by_size = {size: costs["usd_a_month"] for size in Size if size is settings.size}
        for size in set(Size) - {settings.size}:
            by_size[size] = cost.estimate(graph(environment, size=size), prices)["usd_a_month"]
        levers = {
            token: {"settings": [*lever.settings], "held_by": [*lever.held_by]}
            for token, lever in sizing.LEVERS.items()
        }
        costs |= {"by_size": by_size, "levers": levers, "warehouse": sizing.warehouse(settings, prices)}
        return cls(whole, seconds, costs, settings)

    def write(self, environment: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "graph.json").write_text(_json(asdict(self.graph)))
        (folder / "cost.json").write_text(_json(self.costs))
        pictures = {"diagram": diagram.svg(self.graph, environment), **sheets.sheets(self.graph, environment)}
        for name, picture in pictures.items():
            (folder / f"{name}.svg").write_text(picture)
        (folder / "diagram.html").write_text(sheets.page(pictures, environment))

    def summary(self) -> str:
        kinds = Counter(resource.stack for resource in self.graph.resources if resource.custom)
        lines = [f"{stack:16}{count:5} resources{self.seconds[stack]:7.1f} s" for stack, count in kinds.items()]
        return "\n".join([*lines, "", *_table(self.costs), *self._sizes()]) + "\n"

    def _sizes(self) -> Iterator[str]:
        """Yields lines: each size's cost, the largest costs with settings that change them, the cheaper warehouse."""
        yield f"\n{'size':16}" + "".join(f"{load:>12}" for load in self.costs["loads"])
        for size in Size:
            here = " (now)" if size is self.settings.size else ""
            yield f"{size + here:16}" + "".join(f"{usd:12,.0f}" for usd in self.costs["by_size"][size].values())
        for load in ("idle", "busy"):
            yield f"\nThe five largest lines when {load}, the settings (rewards:…) that change them"
            yield from sizing.largest(self.costs["by_type"], load)
        yield f"\n{self.costs['warehouse']}"


def _table(costs: dict[str, Any], shown: int = 10) -> Iterator[str]:
    """Yields lines of USD a month by AWS service: the most expensive ones, then the rest in one line."""
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
    assumed = "; ".join(f"{name}: {load['requests_a_second']:g} requests/s" for name, load in loads.items())
    yield f"{assumed}. Prices: {prices['region']}, {prices['as_of']}; cost.json says how, and what has no price."


def _json(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True, default=_listed) + "\n"


def _listed(value: object) -> object:
    return sorted(value) if isinstance(value, frozenset) else str(value)


def main(arguments: list[str]) -> int:
    environments = sorted(path.name.split(".")[2] for path in (ROOT / "stacks" / "config").glob("Pulumi.base.*.yaml"))
    if len(arguments) != 1 or arguments[0] not in environments:
        sys.stderr.write(f"plan: name one of {', '.join(environments)}\n")
        return 2
    folder = Path("build") / "plan" / arguments[0]
    plan = Plan.of(arguments[0])
    plan.write(arguments[0], folder)
    names = ", ".join(("diagram", *(flow.name for flow in sheets.FLOWS)))
    sys.stdout.write(
        f"{plan.summary()}{folder}: graph.json, cost.json, diagram.html and a sheet (.svg) each\nfor {names}\n"
    )
    return 0


if __name__ == "__main__":
    gc.disable()  # collection takes a third of the time, and the process ends soon
    sys.exit(main(sys.argv[1:]))
