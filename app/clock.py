"""Clocks. Rules take a Clock and never call now() themselves."""

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
    """The system's clock moved ahead by the whole seconds in a file.

    Only the one-machine platform uses it: `rewards clock advance 15d` shows points of the days to come.
    """

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
    """Return the business day of an instant in the program's zone."""
    return instant.astimezone(zone).date()
