"""Calendar months for reporting.

A closed month keeps the time zone and the point value that were in force when it ended.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class InForce:
    """The time zone and point value that are in force from `since` until the next entry of the history."""

    since: datetime
    time_zone: str
    minor_per_100_points: int

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


@dataclass(frozen=True)
class Period:
    """A month as interval [begin, end), with the settings in force at its end, or now if it still runs."""

    name: str
    begin: datetime
    end: datetime
    terms: InForce


def month(history: Sequence[InForce], year: int, number: int) -> Period:
    """Return a month; it begins when the month before ended.

    So a change of time zone neither skips an hour nor counts one twice. `history` is sorted oldest first.
    """
    begin, _ = _end(history, year - (number == 1), (number - 2) % 12 + 1)
    end, terms = _end(history, year, number)
    return Period(f"{year}-{number:02}", begin, end, terms)


def months(history: Sequence[InForce], year: int) -> list[Period]:
    return [month(history, year, number) for number in range(1, 13)]


def _end(history: Sequence[InForce], year: int, number: int) -> tuple[datetime, InForce]:
    """Return the month's end under the first settings that are still in force at that end in their own time zone."""
    for terms, following in pairwise(history):
        end = _midnight(terms, year, number)
        if end <= following.since:
            return end, terms
    return _midnight(history[-1], year, number), history[-1]


def _midnight(terms: InForce, year: int, number: int) -> datetime:
    """Return the instant at which the month's last day ends."""
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=terms.zone)
