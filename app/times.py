"""Instants and days that a request may name: within what every part can hold, an instant with a zone."""

import re
from datetime import UTC, date, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:?\d\d)",
    re.ASCII,
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _written(value: object) -> object:
    """Not what pydantic takes for one too: seconds since 1970, as a number or as digits."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        raise ValueError("must be an instant with its zone (ISO 8601), as 2026-11-22T18:00:00Z")
    return value


def _within(instant: datetime) -> datetime:
    if not FIRST <= instant <= _LAST:
        raise ValueError(f"must be from {FIRST:%Y} to {_LAST:%Y}")
    return instant


Instant = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_within)]


def _day(value: object) -> object:
    """Not what pydantic takes for one too: a time at midnight, or digits."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("must be a day, as 2026-11-22")
    if not f"{FIRST:%Y}" < value < f"{_LAST:%Y}":
        raise ValueError(f"must be from {FIRST:%Y} to {_LAST:%Y}")
    return value


Day = Annotated[date, BeforeValidator(_day)]


def begin_of(at: datetime | date, zone: ZoneInfo) -> datetime:
    """An instant as it is; a day's first moment in a zone, in UTC, but never before the first instant that there is."""
    if isinstance(at, datetime):
        return at
    return max(FIRST, datetime(at.year, at.month, at.day, tzinfo=zone).astimezone(UTC))
