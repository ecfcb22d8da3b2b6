"""Simulate a rule or an offer on past sales, without writing."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from app.catalog import service as catalog
from app.db import Session
from app.earning.earners import Earner
from app.errors import BadInput, FieldError
from app.money import divide
from app.orders import service as orders
from app.program.models import Program, ReturnPolicy
from app.simulation.models import Gift, Largest, Period, Replaced, Share, Simulation
from app.simulation.others import Others
from app.simulation.trial import Trial, Uses
from app.times import begin_of

MOST_LINES = 200_000
"""Most order lines that a request simulates, in about ten seconds. The command has no such limit."""
LINES_AT_START, WEEKS_AT_START = 20_000, 4
"""The sales simulated before a start: the last weeks, or the newest days that have at most this many lines."""
MOST_SHARES = 100
_A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Candidate:
    """The rule or offer to simulate, the uses allowed if it is a voucher, and assumptions to state with the result."""

    earner: Earner
    uses: Uses | None = None
    assumes: tuple[str, ...] = ()


def simulate(
    session: Session, program: Program, candidate: Candidate, period: Period, most_lines: int | None = None
) -> Simulation:
    """Return what the rule or offer would have given, within its own caps, if it had run on each day of the period.

    The session must be a snapshot. Raises BadInput if more than `most_lines` order lines were sold in the period.
    """
    since, until = _instants(period, program)
    if most_lines is not None and orders.lines_sold(session, since, until, most_lines + 1) > most_lines:
        raise BadInput(
            f"more than {most_lines:,} order lines were sold from {period.since} to {period.until}: "
            "try fewer weeks, or `simulate` on the command line",
            [FieldError("weeks", "too-many-lines", f"at most {most_lines:,} order lines")],
        )
    others = Others.read(session, program, candidate.earner.earner_id)
    trial = _run(session, program, candidate, period.days, others)
    return _result(session, program, candidate, period, trial, others.names)


def at_start(session: Session, program: Program, candidate: Candidate, today: date) -> Simulation:
    """Simulate the rule or offer on sales of the last four weeks at most; the result decides whether it may start."""
    period = _lately(session, program, today)
    days = _days_with_sales(session, period, program)
    others = Others.read(session, program, candidate.earner.earner_id) if days else Others()
    trial = _run(session, program, candidate, days, others, LINES_AT_START)
    return _result(session, program, candidate, period, trial, others.names)


def _instants(period: Period, program: Program) -> tuple[datetime, datetime]:
    return begin_of(period.since, program.zone), begin_of(period.until + _A_DAY, program.zone)


def _days_with_sales(session: Session, period: Period, program: Program) -> list[date]:
    """Return the period's days with sales. Checking a day is much cheaper than reading its orders."""

    def sold(period: Period) -> bool:
        return bool(orders.lines_sold(session, *_instants(period, program), 1))

    return [day for day in period.days if sold(Period(day, day))] if sold(period) else []


def _lately(session: Session, program: Program, today: date) -> Period:
    period = Period.of_weeks(WEEKS_AT_START, today)
    if orders.lines_sold(session, *_instants(period, program), LINES_AT_START + 1) <= LINES_AT_START:
        return period
    since, left = today, LINES_AT_START
    for day in reversed(period.days):
        left -= orders.lines_sold(session, *_instants(Period(day, day), program), left + 1)
        if left < 0:
            break
        since = day
    return Period(since, today)


def _run(
    session: Session,
    program: Program,
    candidate: Candidate,
    days: Sequence[date],
    others: Others,
    most_lines: int | None = None,
) -> Trial:
    """Replay the days' orders in batches, to limit memory.

    Once `most_lines` order lines were replayed, only the first batch of each further day is read.
    """
    earner = replace(candidate.earner, limited=False, caps=replace(candidate.earner.caps, order=None, day=None))
    trial = Trial(program, earner, others.earners, candidate.uses, capped=others.capped)
    for day in days:
        for batch in orders.bought(session, *_instants(Period(day, day), program)):
            others.look_at(session, batch)
            for order in batch:
                trial.buy(order, names_voucher=others.names_voucher(order))
            if most_lines is not None and trial.lines >= most_lines:
                break
    trial.end()
    return trial


def _result(
    session: Session, program: Program, candidate: Candidate, period: Period, trial: Trial, names: Mapping[UUID, str]
) -> Simulation:
    tally, earner_id = trial.tally, candidate.earner.earner_id
    points = trial.beside.given[earner_id]
    largest = tally.largest
    vendors = catalog.vendor_names(session, [vendor for vendor, _ in tally.by_vendor.most_common(MOST_SHARES)])
    return Simulation(
        since=period.since,
        until=period.until,
        orders=trial.orders,
        lines=trial.lines,
        paid_minor=trial.paid_minor,
        gift=Gift(
            points=points,
            minor=_worth(program, points),
            came_back=trial.beside.back[earner_id],
            lines=tally.lines,
            orders=tally.orders,
            members=len(tally.members),
            paid_minor=tally.paid_minor,
        ),
        largest=Largest(largest[1], largest[2], largest[0], tally.largest_order) if largest else None,
        most_in_a_day=max(tally.by_day.values(), default=0),
        by_vendor=_shares(program, tally.by_vendor, lambda vendor: vendors.get(vendor, str(vendor))),
        by_department=_shares(program, tally.by_department, str),
        by_day=[_share(program, f"{day}", f"{day}", own) for day, own in sorted(tally.by_day.items())],
        replaced=_replaced(trial, names, earner_id),
        net_points=trial.beside.given.total() - trial.without.given.total(),
        assumes=[*_assumes(program), *candidate.assumes],
    )


def _worth(program: Program, points: int) -> int:
    return divide(points * program.minor_per_100_points, 100)


def _shares(program: Program, points: Counter[Any], name: Callable[[Any], str]) -> list[Share]:
    """Return a Share for each of the MOST_SHARES keys with most points, largest first, and one for all other keys."""
    ranked = points.most_common()
    shares = [_share(program, str(key), name(key), own) for key, own in ranked[:MOST_SHARES]]
    if rest := ranked[MOST_SHARES:]:
        shares.append(_share(program, "others", f"{len(rest)} others", sum(own for _, own in rest)))
    return shares


def _share(program: Program, key: str, name: str, points: int) -> Share:
    return Share(key, name, points, _worth(program, points))


def _replaced(trial: Trial, names: Mapping[UUID, str], earner_id: UUID) -> list[Replaced]:
    without, beside = trial.without.given, trial.beside.given
    changed = [earner for earner in without.keys() | beside.keys() if without[earner] != beside[earner]]
    rows = [
        Replaced(earner, names[earner], without[earner], beside[earner]) for earner in changed if earner != earner_id
    ]
    return sorted(rows, key=lambda row: (row.beside - row.without, row.earner_id))


def _assumes(program: Program) -> list[str]:
    assumed = ["It runs on each of these days, whatever its own dates, and changes nothing of what is bought."]
    if program.return_policy is ReturnPolicy.ONLY_PENDING:
        return [*assumed, "What came back within its return window gives its points back, as the return policy says."]
    return [*assumed, "What came back gives its points back, also where they were spent."]
