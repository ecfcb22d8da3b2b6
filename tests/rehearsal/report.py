"""Writes what a scene showed to build/rehearsal: a CSV of its seconds and a picture."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from tests.rehearsal.rehearsal import Second
from tests.rehearsal.scene import Scene
from tests.rehearsal.verdicts import Verdict

FOLDER = Path(__file__).parents[2] / "build" / "rehearsal"
ROUNDED = 4


def write(scene: Scene, seconds: Sequence[Second], verdicts: Sequence[Verdict], title: str) -> None:
    """Write a scene's seconds, its verdicts as JSON, and its picture."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    name = title.replace(" (", "-").removesuffix(")")
    rows = list(_rows(scene, seconds))
    with (FOLDER / f"{name}.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    shown = {"scene": title, "summary": summary(scene, seconds), "verdicts": [asdict(verdict) for verdict in verdicts]}
    (FOLDER / f"{name}.json").write_text(json.dumps(shown, indent=1) + "\n")
    _picture(scene, seconds, title).savefig(FOLDER / f"{name}.png", dpi=110)


def summary(scene: Scene, all_seconds: Sequence[Second]) -> str:
    """Return a line of the seconds that are judged: how many requests came, and weren't served; pods, nodes, costs.

    The cost of nodes is also summed up over those seconds.
    """
    seconds = [second for second in all_seconds if second.at >= scene.judged]
    outcomes = [outcome for second in seconds for outcome in second.served.values()]
    figures = ("offered", "shed", "failed")
    offered, shed, failed = (abs(sum(getattr(each, name) for each in outcomes)) for name in figures)
    pods = [sum(second.look.running(name).total() for name in second.look.wanted) for second in seconds]
    nodes = [sum(second.look.nodes.values()) for second in seconds]
    usd = [second.look.usd_an_hour for second in seconds]
    return (
        f"{offered:,.0f} requests, {shed:,.0f} refused, {failed:,.0f} without an answer; "
        f"pods {max(pods)}, then {pods[-1]}; nodes {max(nodes)}, then {nodes[-1]}; "
        f"USD an hour {max(usd):.2f}, then {usd[-1]:.2f}, in all {sum(usd) / len(usd) * _hours(seconds):.3f}"
    )


def _hours(seconds: Sequence[Second]) -> float:
    return (seconds[-1].at - seconds[0].at + 1) / 3600


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


def _picture(scene: Scene, seconds: Sequence[Second], title: str) -> Figure:
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
    requests.set(title=f"{title}\n{scene.says}", ylabel="requests a second")
    latency.set(ylabel="p95, slowest service (ms)")
    pods.set(ylabel="running pods", xlabel="second")
    requests.legend(loc="upper left")
    pods.legend(loc="upper left")
    return figure


def _nothing() -> Counter[str]:
    return Counter()
