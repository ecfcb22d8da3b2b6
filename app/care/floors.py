"""How many pods each service has at least, now: as many as usual, or more while a sale is announced.

The plan of floors is a JSON document, which `announced-floors` writes (app.floors). It names each floor's end, so that
floors fall though nobody plans any more.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Floor:
    """At least `replicas` pods of a service run from `since` until `until`, both with a time zone."""

    service: str
    replicas: int
    since: datetime
    until: datetime


def read(document: str) -> list[Floor]:
    """Read a plan of floors. Raises ValueError, KeyError or TypeError for another document."""
    return [
        Floor(
            str(row["service"]),
            int(row["replicas"]),
            datetime.fromisoformat(row["since"]),
            datetime.fromisoformat(row["until"]),
        )
        for row in json.loads(document)["floors"]
    ]


def now_least(floors: Sequence[Floor], usual: Mapping[str, tuple[int, int]], now: datetime) -> dict[str, int]:
    """Return each service's minimum; `usual` are its usual minimum and its maximum, which no floor exceeds."""
    least = {service: minimum for service, (minimum, _) in usual.items()}
    for floor in floors:
        if floor.service in usual and floor.since <= now < floor.until:
            least[floor.service] = max(least[floor.service], min(floor.replicas, usual[floor.service][1]))
    return least
