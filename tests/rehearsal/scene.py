"""A scene: what is offered to the shop, what happens to the cluster, and what must hold."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.rehearsal.times import Times

FILE = Path(__file__).parent / "scenes.toml"


@dataclass(frozen=True)
class Event:
    """Something that happens at a second of the scene: `does` is a method of `Happenings`, called with `to`, if any."""

    at: int
    does: str
    to: str = ""


@dataclass(frozen=True)
class Announced:
    """A sale that is expected to bring `times` the `usual` requests a second; its floors stand between two seconds."""

    times: float
    usual: float
    since: int
    until: int


@dataclass(frozen=True)
class Scene:
    name: str
    says: str
    seconds: int
    judged: int
    offered: Sequence[tuple[float, float]]
    holds: Mapping[str, float]
    times: Times = field(default_factory=Times)
    events: Sequence[Event] = field(default=())
    announced: Announced | None = None

    def offered_at(self, second: float) -> float:
        """Return the requests a second of all services together."""
        for (begin, low), (end, high) in pairwise(self.offered):
            if begin <= second < end:
                return low + (high - low) * (second - begin) / (end - begin)
        return self.offered[-1][1]


@cache
def scenes() -> dict[str, Scene]:
    """Return the scenes of scenes.toml by name."""
    return {row["name"]: _scene(row) for row in tomllib.loads(FILE.read_text())["scenes"]}


def _scene(row: dict[str, Any]) -> Scene:
    times = Times(**row.get("times", {}))
    events = tuple(Event(**event) for event in row.get("events", []))
    announced = Announced(**row["announced"]) if "announced" in row else None
    points = tuple((float(second), float(requests)) for second, requests in row["offered"])
    return Scene(**{**row, "offered": points, "times": times, "events": events, "announced": announced})
