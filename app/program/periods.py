"""Calendar months for statements; a past month keeps the time zone and point value that were in force at its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class InForce:
    """Settings from the program's history: time zone and point value, in force from `since` until the next entry."""

    since: datetime
    time_zone: str
    minor_per_100_points: int

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


@dataclass(frozen=True)
class Period:
    """A month as an interval [begin, end), with the program's settings at its end, or now if it is not over."""

    name: str
    begin: datetime
    end: datetime
    terms: InForce


def month(history: Sequence[InForce], year: int, number: int) -> Period:
    """Return a month as a Period; `history` has the program's settings, oldest first.

    A month begins when the month before ends: if the time zone changes, no hour is left out or counted twice.
    """
    begin, _ = _end(history, year - (number == 1), (number - 2) % 12 + 1)
    end, terms = _end(history, year, number)
    return Period(f"{year}-{number:02}", begin, end, terms)


def months(history: Sequence[InForce], year: int) -> list[Period]:
    return [month(history, year, number) for number in range(1, 13)]


def _end(history: Sequence[InForce], year: int, number: int) -> tuple[datetime, InForce]:
    """Return the end of a month, and the settings in force then; the month ends in the time zone of these settings."""
    for terms, following in pairwise(history):
        end = _midnight(terms, year, number)
        if end <= following.since:
            return end, terms
    return _midnight(history[-1], year, number), history[-1]


def _midnight(terms: InForce, year: int, number: int) -> datetime:
    return datetime(year + number // 12, number % 12 + 1, 1, tzinfo=terms.zone)
