"""Writes what a scene showed to build/rehearsal: a CSV of its seconds and a picture."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tests.rehearsal.rehearsal import Second
from tests.rehearsal.scene import Scene

FOLDER = Path(__file__).parents[2] / "build" / "rehearsal"
ROUNDED = 4


def write(scene: Scene, seconds: Sequence[Second]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = list(_rows(scene, seconds))
    with (FOLDER / f"{scene.name}.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    _picture(scene, seconds).savefig(FOLDER / f"{scene.name}.png", dpi=110)


def _rows(scene: Scene, seconds: Sequence[Second]) -> Iterator[dict[str, Any]]:
    """Yield a row for each second and Deployment: requests in numbers, latency in ms, running pods by zone."""
    zones = sorted({zone for second in seconds for zone in second.look.nodes})
    for second in seconds:
        nodes = {f"nodes {zone}": second.look.nodes.get(zone, 0) for zone in zones}
        cluster = {**nodes, "usd an hour": round(second.look.usd_an_hour, ROUNDED), "acu": round(second.acu, 1)}
        for name, wanted in second.look.wanted.items():
            outcome, running = second.served.get(name), second.look.running(name)
            figures = ("offered", "served", "shed", "failed", "waiting", "processors")
            yield {
                "second": second.at,
                "deployment": name,
                **{each: round(getattr(outcome, each), ROUNDED) if outcome else 0 for each in figures},
                "p95 ms": round(1000 * outcome.p95) if outcome else 0,
                "wanted": wanted,
                "pending": second.look.pending(name),
                **{f"running {zone}": running[zone] for zone in zones},
                **cluster,
            }


def _picture(scene: Scene, seconds: Sequence[Second]) -> Figure:
    figure = Figure(figsize=(9, 9), layout="constrained")
    requests, latency, pods = figure.subplots(3, sharex=True)
    at = [second.at for second in seconds]
    for name, colour in (("offered", "black"), ("served", "tab:green"), ("shed", "tab:orange"), ("failed", "tab:red")):
        sums = [sum(getattr(outcome, name) for outcome in second.served.values()) for second in seconds]
        requests.plot(at, sums, color=colour, label=name)
    latency.plot(at, [1000 * max(outcome.p95 for outcome in second.served.values()) for second in seconds])
    zones = sorted({zone for second in seconds for zone in second.look.nodes})
    totals = [sum((second.look.running(name) for name in second.look.wanted), start=_nothing()) for second in seconds]
    pods.stackplot(at, *([total[zone] for total in totals] for zone in zones), labels=zones, alpha=0.6)
    pods.plot(at, [sum(second.look.wanted.values()) for second in seconds], color="black", label="wanted")
    for event in scene.events:
        for axes in (requests, latency, pods):
            axes.axvline(event.at, color="grey", linestyle=":")
    requests.set(title=f"{scene.name}: {scene.says}", ylabel="requests a second")
    latency.set(ylabel="p95, slowest service (ms)")
    pods.set(ylabel="running pods", xlabel="second")
    requests.legend(loc="upper left")
    pods.legend(loc="upper left")
    return figure


def _nothing() -> Counter[str]:
    return Counter()
