"""Clocks: the system's, one that stands still, and one moved ahead. Business rules read the time only from a Clock."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the current instant, in UTC."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands still, for tests and for replaying history."""

    instant: datetime

    def now(self) -> datetime:
        return self.instant


@dataclass(frozen=True)
class ShiftedClock:
    """The system's clock, moved ahead by the seconds in a file, which `rewards clock advance 15d` writes."""

    path: Path

    def offset(self) -> timedelta:
        try:
            return timedelta(seconds=int(self.path.read_text()))
        except FileNotFoundError:
            return timedelta()

    def advance(self, by: timedelta) -> None:
        self.path.write_text(str(int((self.offset() + by).total_seconds())))

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset()


def clock_for(path: Path | None) -> Clock:
    return ShiftedClock(path) if path else SystemClock()


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """Return the calendar date of an instant in a time zone."""
    return instant.astimezone(zone).date()
