"""Months as they closed: by the time zone and the worth of a point that were in force as each of them ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class InForce:
    """What the program said from a time on, until the next one of its history."""

    since: datetime
    time_zone: str
    minor_per_100_points: int

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


@dataclass(frozen=True)
class Period:
    """A month: [begin, end), and what was in force as it ended; for a month that still runs, what is in force now."""

    name: str
    begin: datetime
    end: datetime
    terms: InForce


def month(history: Sequence[InForce], year: int, number: int) -> Period:
    """It begins where the month before ended, so that a change of time zone leaves no hour out and counts none twice.

    `history` is oldest first.
    """
    begin, _ = _end(history, year - (number == 1), (number - 2) % 12 + 1)
    end, terms = _end(history, year, number)
    return Period(f"{year}-{number:02}", begin, end, terms)


def months(history: Sequence[InForce], year: int) -> list[Period]:
    return [month(history, year, number) for number in range(1, 13)]


def _end(history: Sequence[InForce], year: int, number: int) -> tuple[datetime, InForce]:
    """A month closes under the first terms that still hold at its end in their own time zone."""
    for terms, following in pairwise(history):
        end = _midnight(terms, year, number)
        if end <= following.since:
            return end, terms
    return _midnight(history[-1], year, number), history[-1]


def _midnight(terms: InForce, year: int, number: int) -> datetime:
    """The end of the month's last day."""
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=terms.zone)
