"""Types for instants and days in requests, and arithmetic with the whole hours of a time zone."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:?\d\d)", re.ASCII)
AN_HOUR = timedelta(hours=1)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _written(value: object) -> object:
    """Refuse instants that are not ISO 8601; pydantic alone would also accept seconds since 1970."""
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
    """Refuse days that are not ISO 8601; pydantic alone would also accept date-times at midnight, and numbers."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("must be a day, as 2026-11-22")
    if not f"{FIRST:%Y}" < value < f"{_LAST:%Y}":
        raise ValueError(f"must be from {FIRST:%Y} to {_LAST:%Y}")
    return value


Day = Annotated[date, BeforeValidator(_day)]


def begin_of(at: datetime | date, zone: ZoneInfo) -> datetime:
    """Return a day's first moment in the zone, in UTC, but at least 1970-01-01; an instant is returned unchanged."""
    if isinstance(at, datetime):
        return at
    return max(FIRST, datetime(at.year, at.month, at.day, tzinfo=zone).astimezone(UTC))


def hour_of(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the start, in UTC, of the zone's clock hour that contains the instant: 18:30 for 00:15 at UTC+5:30.

    The zone's offset at the instant is used, so no two hours have the same start, even if clocks change by 30 minutes.
    """
    local = instant.astimezone(zone)
    offset = local.utcoffset() or timedelta()
    return (local.replace(tzinfo=UTC, minute=0, second=0, microsecond=0) - offset).astimezone(UTC)


def hour_after(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return when the zone's next clock hour begins, in UTC."""
    return hour_of(hour_of(instant, zone) + AN_HOUR, zone)


def whole_hour_from(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the first start of a clock hour of the zone at or after the instant."""
    hour = hour_of(instant, zone)
    return hour if hour == instant else hour_after(instant, zone)
