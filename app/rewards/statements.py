"""Statements: what a vendor owes the program for a month, and what became of a member's points in a year."""

import re
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.clock import Clock, local_date
from app.db import Session
from app.errors import BadInput, FieldError
from app.money import divide
from app.rewards import service
from app.rewards import settlement_repository as repository
from app.rewards.settlement_models import Month, Movements, Statement, Year

_PERIOD = re.compile(r"([12]\d{3})-(0[1-9]|1[0-2])")


def of_vendor(session: Session, vendor_id: UUID, period: str, clock: Clock) -> Statement:
    """Of a month as 2026-11 in the program's zone. Raises BadInput for another form, or a month to come."""
    program = service.program(session)
    found = _PERIOD.fullmatch(period)
    today = local_date(clock.now(), program.zone)
    if not found or (int(found[1]), int(found[2])) > (today.year, today.month):
        raise BadInput(
            f"{period} is not a month up to this one; write it as {today:%Y-%m}",
            [FieldError("period", "not-a-month", "a month as YYYY-MM")],
        )
    year, month = int(found[1]), int(found[2])
    begin = datetime(year, month, 1, tzinfo=program.zone)
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=program.zone)
    before, earned, back = repository.funding(session, vendor_id, begin, end)
    closing = before + earned - back
    closing_minor = divide(closing * program.minor_per_100_points, 100)
    return Statement(period, before, earned, back, closing, closing_minor, program.currency)


def of_member(session: Session, member_id: UUID, year: int, clock: Clock) -> Year:
    """By the months of the program's zone. Raises BadInput for a year to come."""
    program = service.program(session)
    if year > local_date(clock.now(), program.zone).year:
        raise BadInput(f"{year} has not begun", [FieldError("year", "future", "a year up to this one")])
    begin, end = (datetime(which, 1, 1, tzinfo=program.zone) for which in (year, year + 1))
    entries = defaultdict(list)
    for entry in repository.entries(session, member_id, begin, end):
        at = entry.at.astimezone(program.zone)
        entries[f"{at:%Y-%m}"].append(replace(entry, at=at))
    months: list[Month] = []
    held = opening = Movements("")
    for moved in repository.movements(session, member_id, end, program.time_zone):
        before, held = held, held + moved
        if moved.month < str(year):
            opening = held
            continue
        months.append(
            Month(
                moved.month,
                before.points,
                *(moved.earned, moved.corrected, moved.confirmed, moved.returned, moved.spent, moved.expired),
                closing=held.points,
                pending=held.pending,
                available=held.available,
                owed=held.owed,
                entries=entries[moved.month],
            )
        )
    return Year(member_id, year, opening.points, held.points, months)
