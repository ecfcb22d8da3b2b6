"""What the hourly windows tell: what sells most, and when."""

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
    """A span whose ends are instants, or days in the program's zone: a day of a clock change has 23 or 25 hours.

    Without an end it is now, without a beginning `hours` before the end, and none begins before 1970. It takes the
    zone's hours that begin within, and says them: from the first one's begin to the last one's end. Raises BadInput
    where it ends before it starts.
    """
    zone = programs.zone(session)
    end = begin_of(until, zone) if until else clock.now()
    start = begin_of(since, zone) if since else max(FIRST, end - timedelta(hours=hours))
    if start >= end:
        raise BadInput("the span ends before it starts", [FieldError("until", "before-since", "must be after since")])
    return Span(whole_hour_from(start, zone), whole_hour_from(end, zone), hour_of_day, weekday)


def top_sellers(session: Session, asked: Span, by: By, after: tuple[int, str] | None, limit: int) -> list[Seller]:
    """What most units stayed sold of, of equals by id; those behind (units, id)."""
    return repository.top_sellers(session, asked, by, after, limit)


def completeness(session: Session, asked: Span) -> Completeness:
    return repository.completeness(session, asked)


def busy_hours(session: Session, asked: Span) -> list[BusyHour]:
    """The hours of the week, as they were busy."""
    return repository.busy_hours(session, asked)
