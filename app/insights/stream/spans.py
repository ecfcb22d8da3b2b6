"""Turn the time range of a query into whole hours."""

from datetime import date, datetime, timedelta

from app.clock import Clock
from app.db import Session
from app.errors import BadInput, FieldError
from app.insights.stream.models import Span
from app.program import service as programs
from app.times import FIRST, begin_of, whole_hour_from


def whole_hours(
    session: Session,
    since: datetime | date | None,
    until: datetime | date | None,
    clock: Clock,
    *,
    hours: int,
    hour_of_day: int | None = None,
    weekday: int | None = None,
) -> Span:
    """Return the whole hours between two limits, each an instant or a day in the loyalty program's time zone.

    `until` defaults to now, `since` to `hours` hours before `until` but not to a time before 1970. Raises BadInput if
    the range ends before it starts.
    """
    zone = programs.zone(session)
    end = begin_of(until, zone) if until else clock.now()
    start = begin_of(since, zone) if since else max(FIRST, end - timedelta(hours=hours))
    if start >= end:
        raise BadInput("the span ends before it starts", [FieldError("until", "before-since", "must be after since")])
    return Span(whole_hour_from(start, zone), whole_hour_from(end, zone), hour_of_day, weekday)
