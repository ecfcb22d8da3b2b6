"""Instants and days of requests, within the range that every part supports; and a zone's whole hours."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:?\d\d)",
    re.ASCII,
)
AN_HOUR = timedelta(hours=1)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _written(value: object) -> object:
    """Accept only ISO 8601 instants; pydantic would accept seconds since 1970 too."""
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
    """Accept only ISO 8601 days; pydantic would accept midnights and digits too."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("must be a day, as 2026-11-22")
    if not f"{FIRST:%Y}" < value < f"{_LAST:%Y}":
        raise ValueError(f"must be from {FIRST:%Y} to {_LAST:%Y}")
    return value


Day = Annotated[date, BeforeValidator(_day)]


def begin_of(at: datetime | date, zone: ZoneInfo) -> datetime:
    """Return an instant unchanged, a day's first moment in a zone, in UTC, but not before FIRST."""
    if isinstance(at, datetime):
        return at
    return max(FIRST, datetime(at.year, at.month, at.day, tzinfo=zone).astimezone(UTC))


def hour_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the begin, in UTC, of the zone's whole hour of an instant: 18:30 where the zone is 5:30 ahead.

    Uses the zone's offset at the instant, so no two hours share a begin, even where clocks change by half an hour, and
    none is longer than an hour.
    """
    local = instant.astimezone(zone)
    offset = local.utcoffset() or timedelta()
    return (local.replace(tzinfo=UTC, minute=0, second=0, microsecond=0) - offset).astimezone(UTC)


def hour_after(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the begin of the zone's next whole hour."""
    return hour_of(hour_of(instant, zone) + AN_HOUR, zone)


def whole_hour_from(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the first begin of a whole hour of the zone at or after the instant."""
    hour = hour_of(instant, zone)
    return hour if hour == instant else hour_after(instant, zone)
