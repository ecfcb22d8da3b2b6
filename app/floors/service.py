"""Plan the floors of today and tomorrow, journal each changed plan, and announce it in a parameter of SSM."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import structlog

from app import ledger
from app.clock import Clock, local_date
from app.db import Database, Session, WriteSession
from app.floors import planning, repository
from app.floors.models import Floor, Limits, Plan
from app.insights.capacity import service as capacity
from app.offers import service as offers
from app.processes import FLOORS_LIMITED
from app.program import service as programs
from app.settings import Settings
from app.times import begin_of
from app.work import NODE_PROCESSORS, POD_PROCESSORS

_DAYS = timedelta(days=2)
log = structlog.get_logger()


@dataclass(frozen=True)
class Announcement:
    """A plan as it was announced; `changed` means that the ledger got it."""

    plan: Plan
    changed: bool


def plan(session: Session, settings: Settings, clock: Clock) -> Plan:
    """Return the floors of today and tomorrow, in the program's zone, that are not over."""
    zone, now = programs.zone(session), clock.now()
    today = local_date(now, zone)
    begin, end = begin_of(today, zone), begin_of(today + _DAYS, zone)
    announced = offers.announced(session, begin - planning.SPIKE, end + planning.LEAD)
    expected = capacity.expected(session, begin, end, settings.floors_usual_orders)
    return planning.plan(announced, expected, _limits(settings), now)


def announce(db: Database, settings: Settings, clock: Clock, parameters: Any) -> Announcement:
    """Plan the floors, add the plan to the ledger if it changed, and write it to the parameter of the settings.

    `parameters` is a boto3 client of SSM. The parameter is written at each call, so that a failed call is made up for
    by the next; who reads it needs no database. Raises the errors of the database and of SSM.
    """
    with db.write() as session:
        planned = plan(session, settings, clock)
        changed = _remember(session, planned, clock.now())
    if planned.limited:
        log.warning(FLOORS_LIMITED, usd_a_day=settings.floors_usd_a_day)
    parameters.put_parameter(
        Name=settings.floors_parameter, Value=document(planned, clock.now()), Type="String", Overwrite=True
    )
    return Announcement(planned, changed)


def document(planned: Plan, made: datetime) -> str:
    """Return a plan as the JSON of the parameter, at most 4 KB: when it was made, and each floor but its cost."""
    return orjson.dumps({"made": _text(made), "floors": [_row(each) for each in planned.floors]}).decode()


def _remember(session: WriteSession, planned: Plan, now: datetime) -> bool:
    """Add the plan to the ledger unless it is the last one, of which floors may have ended; return whether it was."""
    number, floors = repository.lock_floors(session)
    rows = [_row(each) for each in planned.floors]
    if rows == [row for row in floors if row["until"] > _text(now)]:
        return False
    repository.set_floors(session, number + 1, rows)
    record = {"number": number + 1, "at": now, "limited": planned.limited, "floors": planned.floors}
    ledger.append(session, "floors", "floors", record)
    return True


def _row(each: Floor) -> dict[str, Any]:
    return {
        "service": each.service,
        "replicas": each.replicas,
        "since": _text(each.since),
        "until": _text(each.until),
        "why": each.why,
    }


def _text(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _limits(settings: Settings) -> Limits:
    services: dict[str, Sequence[str]] = {**settings.floors_services}
    prices = capacity.prices()
    node = prices["node-hour"] + prices["auto-mode-hour"]
    return Limits(
        services=services,
        least=settings.floors_least,
        most=settings.floors_most,
        usd_a_day=settings.floors_usd_a_day,
        pod_hour_usd=node * POD_PROCESSORS / NODE_PROCESSORS,
    )
