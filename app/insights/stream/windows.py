"""Query the hourly windows: top sellers, and busy hours of the week."""

from datetime import date, datetime, timedelta

from app.clock import Clock
from app.db import Session
from app.errors import BadInput, FieldError
from app.insights.stream import windows_repository as repository
from app.insights.stream.models import BusyHour, By, Completeness, Seller, Span
from app.program import service as programs
from app.times import FIRST, begin_of, whole_hour_from


def span(
    session: Session,
    since: datetime | date | None,
    until: datetime | date | None,
    clock: Clock,
    *,
    hours: int,
    hour_of_day: int | None = None,
    weekday: int | None = None,
) -> Span:
    """Return the whole hours between two ends, each an instant, or a day in the program's zone.

    A day of a clock change has 23 or 25 hours. `until` defaults to now, `since` to `hours` before the end, and no span
    begins before 1970. The span covers the zone's hours that begin within. Raises BadInput if it is reversed.
    """
    zone = programs.zone(session)
    end = begin_of(until, zone) if until else clock.now()
    start = begin_of(since, zone) if since else max(FIRST, end - timedelta(hours=hours))
    if start >= end:
        raise BadInput("the span ends before it starts", [FieldError("until", "before-since", "must be after since")])
    return Span(whole_hour_from(start, zone), whole_hour_from(end, zone), hour_of_day, weekday)


def top_sellers(session: Session, span: Span, by: By, after: tuple[int, str] | None, limit: int) -> list[Seller]:
    """Return the keys with most units net of returns, ties by id, after the key (units, id)."""
    return repository.top_sellers(session, span, by, after, limit)


def completeness(session: Session, span: Span) -> Completeness:
    return repository.completeness(session, span)


def busy_hours(session: Session, span: Span) -> list[BusyHour]:
    """Return orders, units and money of each hour of the week."""
    return repository.busy_hours(session, span)
