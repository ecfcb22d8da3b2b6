"""Draws one sheet for each business flow, such as placing an order: its processes and the resources connected to them.

A sheet shows a selection of the environment's connections (`connections.py`). Below the drawing, each connection is
listed with its reasons.
"""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from stacks.offline.connections import DEPLOYMENT, FUNCTION, JOB, LEDGER, Connection, Connections
from stacks.offline.drawing import Drawing
from stacks.offline.layers import Layers, Line
from stacks.offline.parts import PARTS
from stacks.offline.recording import Graph
from stacks.offline.steps import connected

_EVERY = "*"
_LEFT, _TOP, _ROW, _LEAST_WIDTH = 30, 60, 17, 960
_LETTER = 7  # width of a letter of 12 px, so that no row is too long in any font


@dataclass(frozen=True)
class Flow:
    """A business flow, defined by the application's routers, other processes and pipelines that take part in it.

    If `onto` is given, only connections to parts of that resource type are drawn.
    """

    name: str
    title: str
    routers: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    pipelines: tuple[str, ...] = ()
    onto: str = ""


FLOWS = (
    Flow("product-selection", "Product selection", routers=("catalog",)),
    Flow("order-placement", "Order placement", routers=("orders",), processes=("sealer",)),
    Flow("on-boarding", "On-boarding of vendors", routers=("vendors",)),
    Flow("product-update", "Product update", routers=("vendors",), processes=("vendor-feed",)),
    Flow("redemption", "Redemption of rewards", routers=("rewards", "offers")),
    Flow("nightly", "Nightly rewards", processes=("nightly-rewards",)),
    Flow(
        "analytics",
        "Analytics and the warehouse",
        routers=("insights",),
        processes=("sealer", "journal-insights", "hourly-insights", "journal-export", "warehouse-load"),
    ),
    Flow("floors", "Pods ahead of a sale", processes=("announced-floors",)),
    Flow("database", "Everything that logs in to the database", processes=(_EVERY,), onto=LEDGER),
    Flow("pods-delivery", "Delivery of pods", pipelines=("pods", "previews")),
    Flow("functions-delivery", "Delivery of functions", pipelines=("functions", "previews")),
)


@dataclass(frozen=True)
class Sheet:
    """A drawing of one flow, such as an order: the parts of the environment that it shows, and their connections."""

    flow: Flow
    parts: tuple[str, ...]
    connections: tuple[Connection, ...]


def sheet(flow: Flow, graph: Graph, connections: Connections) -> Sheet:
    """Returns a flow's sheet: its processes, parts connected to them, and parts that call those (but no processes)."""
    processes, onto = _processes(graph), PARTS[flow.onto] if flow.onto else None
    roots = {key for key, (name, _) in processes.items() if _EVERY in flow.processes or name in flow.processes}
    roots |= {key for key, (_, routers) in processes.items() if routers & set(flow.routers)}
    edges = list(connections.edges.values())
    steps = {key for name in flow.pipelines for key in connections.parts if _of_pipeline(key, name)}
    roots |= steps | {edge.target for edge in edges if edge.source in steps and edge.target.startswith("Project/")}
    ends = {PARTS[flow.onto](resource).key for resource in graph.of(flow.onto)} if onto else set(connections.parts)
    edges = [edge for edge in edges if edge.target in ends and not _delivers(edge, roots)]
    shown = [edge for edge in edges if {edge.source, edge.target} & roots]
    kept = roots | {key for edge in shown for key in (edge.source, edge.target)}
    others = [edge for edge in edges if not {edge.source, edge.target} & (processes.keys() - roots)]
    near = kept if steps else set(connections.parts)
    while further := [each for each in others if each not in shown and each.target in kept and each.source in near]:
        shown += further
        kept |= {edge.source for edge in further}
    order = [key for key in connections.parts if key in kept]
    return Sheet(flow, tuple(order), tuple(edge for edge in edges if edge in shown))


def _processes(graph: Graph) -> dict[str, tuple[str, set[str]]]:
    """Returns name and routers of each Deployment, Job and Lambda function, by the key of its part (box)."""
    processes = {}
    for process in graph.of(DEPLOYMENT, JOB, FUNCTION):
        routers = set[str]()
        if process.token == DEPLOYMENT:
            variables = process.inputs["spec"]["template"]["spec"]["containers"][0]["env"]
            routers = {
                name for each in variables if each["name"] == "REWARDS_SERVICES" for name in each["value"].split(",")
            }
        processes[PARTS[process.token](process).key] = (process.name, routers)
    return processes


def _of_pipeline(key: str, name: str) -> bool:
    """Returns whether the part `key` is a step of the pipeline `name`, or another account's pipeline of that name."""
    return key.startswith(f"Pipeline/{name}/") or (key.startswith("Pipeline/delivery-") and key.endswith(f"-{name}"))


def _delivers(edge: Connection, roots: set[str]) -> bool:
    """Returns whether one end of a connection is a build or pipeline step that is not in `roots`."""
    ends = {edge.source, edge.target} - roots
    return any(key.startswith(("Project/", "Pipeline/")) for key in ends)


def svg(chosen: Sheet, connections: Connections, environment: str) -> str:
    """Returns a sheet as SVG: the drawing, and below it each connection with its reasons."""
    parts = [connections.parts[key] for key in chosen.parts]
    layers = Layers(parts, chosen.connections, _LEFT, _TOP)
    width = int(max(layers.right + _LEFT, _LEAST_WIDTH))
    rows = list(_reasons(layers.lines, connections, int((width - 2 * _LEFT) / _LETTER)))
    title = f"{chosen.flow.title} · {environment}"
    out = Drawing(width, int(layers.bottom + 50 + _ROW * len(rows)), title)
    out.text(_LEFT, 34, title, 18, bold=True)
    for part in parts:
        out.box(layers.boxes[part.key], part.title, part.lines, part.kind, key=part.key)
    for number, line in enumerate(layers.lines, 1):
        label = "" if line.connection.then else f"{number} {line.connection.verb}"
        out.arrow(*line.points, label=label, at=line.label, ends=(line.connection.source, line.connection.target))
    for index, row in enumerate(rows):
        out.text(_LEFT, layers.bottom + 46 + _ROW * index, row, 12)
    return out.svg()


def _reasons(lines: list[Line], connections: Connections, letters: int) -> Iterator[str]:
    if not lines:
        yield "Nothing in this environment is part of this flow."
    for number, each in enumerate((line.connection for line in lines if not line.connection.then), 1):
        ends = f"{connections.parts[each.source].title} → {connections.parts[each.target].title}"
        yield from textwrap.wrap(f"{number}  {ends}: {'; '.join(each.reasons)}", letters, break_on_hyphens=False)


def sheets(graph: Graph, environment: str) -> dict[str, str]:
    """Returns each flow's sheet as SVG, by the flow's name. Resources are sorted: equal graphs give equal sheets."""
    graph = Graph(tuple(sorted(graph.resources, key=lambda resource: resource.urn)), graph.exports)
    connections = connected(graph)
    return {flow.name: svg(sheet(flow, graph, connections), connections, environment) for flow in FLOWS}


def page(pictures: dict[str, str], environment: str) -> str:
    """Returns an HTML page with all pictures, without script; it shows the one that the URL's fragment (`#…`) names."""
    titles = {flow.name: flow.title for flow in FLOWS}
    links = "\n".join(f'<a href="#{name}">{escape(titles.get(name, "Where all stands"))}</a>' for name in pictures)
    sections = "\n".join(f'<section id="{name}">{picture}</section>' for name, picture in pictures.items())
    first = next(iter(pictures))
    style = (
        "body{font-family:system-ui,Helvetica,Arial,sans-serif;margin:16px}nav a{margin-right:12px;font-size:13px}"
        f"section{{display:none}}section:target,body:not(:has(:target)) #{first}{{display:block}}"
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"/><title>rewards · {escape(environment)}</title>'
        f"<style>{style}</style></head><body>\n<nav>{links}</nav>\n{sections}\n</body></html>\n"
    )
