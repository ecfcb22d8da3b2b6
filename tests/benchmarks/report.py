"""Print benchmark results as a table, and write them to build/bench.json."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

BUILD = Path("build")


@dataclass(frozen=True)
class Result:
    """A measured value. `floor` describes the value that it is compared with; `holds` is None without a target."""

    name: str
    value: float
    unit: str
    floor: str = ""
    target: str = ""
    holds: bool | None = None


def at_least(name: str, value: float, unit: str, target: float, floor: str = "") -> Result:
    return Result(name, round(value, 3), unit, floor, f"≥ {target:g}", value >= target)


def at_most(name: str, value: float, unit: str, target: float, floor: str = "") -> Result:
    return Result(name, round(value, 3), unit, floor, f"≤ {target:g}", value <= target)


def publish(results: list[Result]) -> None:
    table = Table("measure", "value", "unit", "floor", "target", "holds")
    for result in results:
        holds = "" if result.holds is None else ("yes" if result.holds else "[red]no[/]")
        table.add_row(result.name, f"{result.value:,g}", result.unit, result.floor, result.target, holds)
    Console(width=140).print(table)
    BUILD.mkdir(exist_ok=True)
    (BUILD / "bench.json").write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
