"""Dataclasses of floors. Costs are floats, in US dollars, from list prices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Limits:
    """What floors keep to: `services` maps each Deployment to its routers, of which those of shoppers get floors.

    `least` and `most` are the autoscalers' replicas. The floors of a day cost at most `usd_a_day`, if a pod more than
    `least` costs `pod_hour_usd` an hour.
    """

    services: Mapping[str, Sequence[str]]
    least: int
    most: int
    usd_a_day: float
    pod_hour_usd: float


@dataclass(frozen=True)
class Floor:
    """The least number of a service's pods in [since, until), and what those above the usual least cost at most."""

    service: str
    replicas: int
    since: datetime
    until: datetime
    why: str
    usd: float


@dataclass(frozen=True)
class Spent:
    """What today's floors have cost before the instant `since`: so much less is left for those after it."""

    since: datetime
    usd: float


@dataclass(frozen=True)
class Plan:
    """Floors in the order of service and time. `limited`: some day's would have cost more than the limit."""

    floors: list[Floor]
    limited: bool
