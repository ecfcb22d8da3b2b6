"""Statements: a vendor's debt to the program for a month, and the movements of a member's points in a year."""

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
    """Return a vendor's statement for a month like 2026-11; settings changed later do not affect a closed month.

    Raises BadInput for another format or a future month, NotFound if there is no such vendor.
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
    """Return a member's statement by months as they closed. Raises BadInput for a future year."""
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
        months.append(
            Month(
                movements.month,
                before.points,
                *(
                    movements.earned,
                    movements.corrected,
                    movements.confirmed,
                    movements.returned,
                    movements.spent,
                    movements.expired,
                ),
                closing=balance.points,
                pending=balance.pending,
                available=balance.available,
                owed=balance.owed,
                entries=entries[movements.month],
            )
        )
    return Year(member_id, year, opening.points, balance.points, months)


def _entries(session: Session, member_id: UUID, begin: datetime, end: datetime, outlook: Outlook | None) -> list[Entry]:
    """Return entries in order, including those due that are not written yet."""
    stored = wallets.entries(session, member_id, begin, end)
    unwritten = [entry for entry in outlook.entries if begin <= entry.at < end] if outlook else []
    return sorted([*stored, *unwritten], key=lambda entry: (entry.at, entry.kind))


def _movements(
    session: Session, member_id: UUID, edges: Sequence[datetime], names: Sequence[str], outlook: Outlook | None
) -> list[Movements]:
    """Return movements by month, including those due that are not written yet."""
    months = {movements.month: movements for movements in wallets.movements(session, member_id, edges, names)}
    for at, movements in outlook.movements if outlook else ():
        index = bisect(edges, at)
        if index < len(edges):
            name = names[index - 1] if index else BEFORE
            months[name] = months.get(name, Movements("")) + replace(movements, month=name)
    return [months[name] for name in (BEFORE, *names) if name in months]
