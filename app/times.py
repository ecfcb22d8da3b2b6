"""Instants and days that a request may name: within what every part can hold, an instant with a zone."""

from datetime import UTC, date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def _within(instant: datetime) -> datetime:
    if not _FIRST <= instant <= _LAST:
        raise ValueError(f"must be from {_FIRST:%Y} to {_LAST:%Y}")
    return instant


Instant = Annotated[AwareDatetime, AfterValidator(_within)]


def _day(said: object) -> object:
    """Not what pydantic takes for one too: a time at midnight."""
    if not isinstance(said, str) or len(said) != len("2026-11-22"):
        raise ValueError("must be a day, as 2026-11-22")
    if not f"{_FIRST:%Y}" < said < f"{_LAST:%Y}":
        raise ValueError(f"must be from {_FIRST:%Y} to {_LAST:%Y}")
    return said


Day = Annotated[date, BeforeValidator(_day)]


def begin_of(at: datetime | date, zone: ZoneInfo) -> datetime:
    """An instant as it is; a day's first moment in a zone, in UTC."""
    if isinstance(at, datetime):
        return at
    return datetime(at.year, at.month, at.day, tzinfo=zone).astimezone(UTC)
