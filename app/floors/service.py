"""Plan the floors of today and tomorrow, journal each changed plan, and announce it in a parameter of SSM."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import structlog

from app import ledger
from app.clock import Clock, local_date
from app.db import Database, Session, WriteSession
from app.floors import planning, repository
from app.floors.models import Floor, Limits, Plan, Spent
from app.floors.repository import Last
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


class _Planner:
    """Plans today and tomorrow, in the program's zone, from what the database has now."""

    def __init__(self, session: Session, settings: Settings, now: datetime) -> None:
        zone = programs.zone(session)
        today = local_date(now, zone)
        self.now, self.limits = now, _limits(settings)
        self._begin, end = begin_of(today, zone), begin_of(today + _DAYS, zone)
        self._announced = offers.announced(session, self._begin - planning.SPIKE, end + planning.LEAD)
        self._expected = capacity.expected(session, self._begin, end, settings.floors_usual_orders)

    def plan(self, spent: Spent) -> Plan:
        return planning.plan(self._announced, self._expected, self.limits, self.now, spent)

    def before(self, last: Last) -> Spent:
        """Return what today's floors had cost before the last plan."""
        return Spent(last.since, last.spent_usd) if last.since >= self._begin else Spent(self._begin, 0)

    def until_now(self, last: Last) -> Spent:
        """Return what today's floors have cost, those of the last plan included."""
        before, floors = self.before(last), map(_floor, last.floors)
        usd = sum(planning.usd_of(each, self.limits, before.since, self.now) for each in floors)
        return Spent(self.now, before.usd + usd)


def plan(session: Session, settings: Settings, clock: Clock) -> Plan:
    """Return the floors of today and tomorrow, in the program's zone, that are not over."""
    planner = _Planner(session, settings, clock.now())
    return planner.plan(planner.before(repository.last(session)))


def announce(db: Database, settings: Settings, clock: Clock, parameters: Any) -> Announcement:
    """Plan the floors, add the plan to the ledger if it changed, and write it to the parameter of the settings.

    `parameters` is a boto3 client of SSM. The parameter is written at each call, so that a failed call is made up for
    by the next; who reads it needs no database. Raises the errors of the database and of SSM.
    """
    now = clock.now()
    with db.write() as session:
        announcement = _remembered(session, _Planner(session, settings, now))
    planned = announcement.plan
    if planned.limited:
        log.warning(FLOORS_LIMITED, usd_a_day=settings.floors_usd_a_day)
    parameters.put_parameter(
        Name=settings.floors_parameter, Value=document(planned, now), Type="String", Overwrite=True
    )
    return announcement


def document(planned: Plan, made: datetime) -> str:
    """Return a plan as the JSON of the parameter, at most 4 KB: when it was made, and each floor but its cost."""
    return orjson.dumps({"made": _text(made), "floors": _rows(planned)}).decode()


def _remembered(session: WriteSession, planner: _Planner) -> Announcement:
    """Plan, and add the plan to the ledger unless it is the last one, of which floors may have ended."""
    last = repository.lock_last(session)
    planned = planner.plan(planner.before(last))
    if _rows(planned) == [row for row in last.floors if row["until"] > _text(planner.now)]:
        return Announcement(planned, changed=False)
    spent = planner.until_now(last)
    planned = planner.plan(spent)
    repository.set_last(session, Last(last.number + 1, _rows(planned), spent.since, spent.usd))
    record = {"number": last.number + 1, "at": planner.now, "limited": planned.limited, "floors": planned.floors}
    ledger.append(session, "floors", "floors", record)
    return Announcement(planned, changed=True)


def _rows(planned: Plan) -> list[dict[str, Any]]:
    return [_row(each) for each in planned.floors]


def _row(each: Floor) -> dict[str, Any]:
    return {
        "service": each.service,
        "replicas": each.replicas,
        "since": _text(each.since),
        "until": _text(each.until),
        "why": each.why,
    }


def _floor(row: dict[str, Any]) -> Floor:
    since, until = (datetime.fromisoformat(row[name]) for name in ("since", "until"))
    return Floor(row["service"], row["replicas"], since, until, row["why"], usd=0)


def _text(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _limits(settings: Settings) -> Limits:
    prices = capacity.prices()
    node = prices["node-hour"] + prices["auto-mode-hour"]
    return Limits(
        services=settings.floors_services,
        least=settings.floors_least,
        most=settings.floors_most,
        usd_a_day=settings.floors_usd_a_day,
        pod_hour_usd=node * POD_PROCESSORS / NODE_PROCESSORS,
    )
