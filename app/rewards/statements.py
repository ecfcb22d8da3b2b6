"""What a vendor owes the program for its products' rewards, month by month."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.clock import Clock, local_date
from app.db import Session
from app.errors import BadInput, FieldError
from app.money import divide
from app.rewards import service
from app.rewards import settlement_repository as repository

_PERIOD = re.compile(r"([12]\d{3})-(0[1-9]|1[0-2])")


@dataclass(frozen=True)
class Statement:
    """In points: closing = carried_over + earned − taken_back. A negative closing is a credit, carried on."""

    period: str
    carried_over: int
    earned: int
    taken_back: int
    closing: int
    closing_minor: int
    currency: str


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
