"""Calculate a vendor's monthly statement and a member's yearly statement of points."""

import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from app.accounts.statements_models import Month, Statement, Year
from app.clock import Clock, local_date
from app.db import Session
from app.errors import BadInput, FieldError
from app.money import divide
from app.offers import outlook as outlooks
from app.offers.outlook import Outlook
from app.program import periods
from app.program import service as programs
from app.vendors import service as vendors
from app.wallet import service as wallets
from app.wallet.movements import BEFORE, Entry, Movements

_PERIOD = re.compile(r"([12]\d{3})-(0[1-9]|1[0-2])")


def of_vendor(session: Session, vendor_id: UUID, period: str, clock: Clock) -> Statement:
    """Return a vendor's statement for a month such as 2026-11.

    The month ends at midnight in the time zone that the program had then. Points are converted into money at their
    worth at the month's end. Raises BadInput for another format or a future month, NotFound if there is no such vendor.
    """
    program = programs.program(session)
    match = _PERIOD.fullmatch(period)
    today = local_date(clock.now(), program.zone)
    if not match or (int(match[1]), int(match[2])) > (today.year, today.month):
        raise BadInput(
            f"{period} is not a month up to this one; write it as {today:%Y-%m}",
            [FieldError("period", "not-a-month", "a month as YYYY-MM")],
        )
    vendors.vendor(session, vendor_id)
    month = periods.month(programs.history(session), int(match[1]), int(match[2]))
    before, earned, back = wallets.funding(session, vendor_id, month.begin, month.end)
    closing = before + earned - back
    worth = month.terms.minor_per_100_points
    closing_minor = divide(closing * worth, 100)
    return Statement(period, before, earned, back, closing, closing_minor, program.currency, worth)


def of_member(session: Session, member_id: UUID, year: int, clock: Clock) -> Year:
    """Return a member's statement for a year, by month. Raises BadInput for a future year."""
    program = programs.program(session)
    if year > local_date(clock.now(), program.zone).year:
        raise BadInput(f"{year} has not begun", [FieldError("year", "future", "a year up to this one")])
    calendar = periods.months(programs.history(session), year)
    edges = [calendar[0].begin, *(month.end for month in calendar)]
    outlook = outlooks.read(session, member_id, clock.now())
    entries = defaultdict(list)
    for entry in _entries(session, member_id, edges[0], edges[-1], outlook):
        month = calendar[bisect(edges, entry.at) - 1]
        entries[month.name].append(replace(entry, at=entry.at.astimezone(month.terms.zone)))
    months: list[Month] = []
    balance = opening = Movements("")
    for movements in _movements(session, member_id, edges, [month.name for month in calendar], outlook):
        before, balance = balance, balance + movements
        if movements.month == BEFORE:
            opening = balance
            continue
        closed = replace(movements, pending=balance.pending, available=balance.available, owed=balance.owed)
        listed = entries[movements.month]
        months.append(Month(**closed.__dict__, opening=before.points, closing=balance.points, entries=listed))
    return Year(member_id, year, opening.points, balance.points, months)


def _entries(session: Session, member_id: UUID, begin: datetime, end: datetime, outlook: Outlook | None) -> list[Entry]:
    """Return a member's entries in [begin, end), by time: stored ones, and those of `outlook` (due, not stored yet)."""
    stored = wallets.entries(session, member_id, begin, end)
    unwritten = [entry for entry in outlook.entries if begin <= entry.at < end] if outlook else []
    return sorted([*stored, *unwritten], key=lambda entry: (entry.at, entry.kind))


def _movements(
    session: Session, member_id: UUID, edges: Sequence[datetime], names: Sequence[str], outlook: Outlook | None
) -> list[Movements]:
    """Return a member's points by month and kind of movement, with those of `outlook` (due, not stored yet)."""
    months = {movements.month: movements for movements in wallets.movements(session, member_id, edges, names)}
    for at, movements in outlook.movements if outlook else ():
        index = bisect(edges, at)
        if index < len(edges):
            name = names[index - 1] if index else BEFORE
            months[name] = months.get(name, Movements("")) + replace(movements, month=name)
    return [months[name] for name in (BEFORE, *names) if name in months]
