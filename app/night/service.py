"""The nightly calculation: confirm lots, pay members' debts in points, expire lots, renew subscriptions.

A request that changes a wallet runs the same steps for this wallet first (`app.offers.due`); the nightly calculation
runs them for all other wallets. The result depends only on the dates of lots and subscriptions, so it is the same if
the calculation is late, repeated, concurrent, or killed and restarted.
"""

import time
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from uuid import UUID

from app import ledger
from app.clock import Clock, FixedClock, local_date
from app.db import Database, WriteSession
from app.errors import BadInput, FieldError
from app.ids import new_id
from app.night import repository
from app.night.models import NightlyReport
from app.offers import due, renewals
from app.offers.subscription_states import OVER, SubscriptionState
from app.program import service as programs
from app.program.models import Program
from app.times import begin_of
from app.wallet import debts
from app.wallet import service as wallets
from app.wallet.models import Batch, Moved

last_day = repository.last_day
runs = repository.runs


def run(db: Database, clock: Clock, on: date | None = None) -> NightlyReport:
    """Run the nightly calculation up to the date `on` (by default today); store and return a report.

    Missed days are calculated one after the other, each with the result it would have had on time. Raises BadInput if
    `on` is in the future.
    """
    started, ticks = clock.now(), time.monotonic()
    with db.read() as session:
        program = programs.program(session)
        today = local_date(started, program.zone)
        last = on or today
        if last > today:
            message = f"{last} has not come yet: it is {today} in {program.time_zone}"
            raise BadInput(message, [FieldError("date", "future", "name today or a day before")])
        oldest = due.earliest(session, last)
    counts = Counter(confirmed_lots=0, confirmed_points=0, expired_lots=0, expired_points=0, renewed=0, lapsed=0)
    day = oldest
    while day:
        counts.update(_calculate(db, program, day))
        with db.read() as session:
            day = due.earliest(session, last)
    _settle_debts(db, begin_of(last, program.zone))
    report = NightlyReport(
        business_date=last,
        started_at=started,
        seconds=round(time.monotonic() - ticks, 3),
        oldest_due=oldest,
        **counts,
    )
    with db.write() as session:
        repository.insert_report(session, report)
    return report


def _calculate(db: Database, program: Program, day: date) -> dict[str, int]:
    batch = Batch(day, begin_of(day, program.zone), due.LOTS_A_TRANSACTION)
    confirmed_lots, confirmed_points = _until_done(
        db, day, "confirmed", lambda session: wallets.confirm(session, batch, program)
    )
    _settle_debts(db, batch.at)
    expired_lots, expired_points = _until_done(db, day, "expired", lambda session: wallets.expire(session, batch))
    renewed, lapsed = _renew(db, day, FixedClock(batch.at))
    return {
        "confirmed_lots": confirmed_lots,
        "confirmed_points": confirmed_points,
        "expired_lots": expired_lots,
        "expired_points": expired_points,
        "renewed": renewed,
        "lapsed": lapsed,
    }


def _until_done(db: Database, day: date, kind: str, batch: Callable[[WriteSession], Moved]) -> tuple[int, int]:
    """Call `batch` in separate transactions until no lot is due; return how many lots and points it processed."""
    lots = points = 0
    while True:
        with db.write() as session:
            moved = batch(session)
            if moved.items:
                ledger.append_items(session, "nightly", str(new_id()), moved.items, what=kind, businessDate=day)
        if not moved.due:
            return lots, points
        lots += moved.lots
        points += moved.points


def _settle_debts(db: Database, at: datetime) -> None:
    while True:
        with db.read() as session:
            members = wallets.indebted(session, due.LOTS_A_TRANSACTION)
        if not members:
            return
        for member_id in members:
            with db.write() as session:
                debts.settle(session, member_id, at)


def _renew(db: Database, day: date, clock: Clock) -> tuple[int, int]:
    renewed = lapsed = 0
    while True:
        with db.read() as session:
            ids: list[UUID] = renewals.due(session, day, due.LOTS_A_TRANSACTION)
        if not ids:
            return renewed, lapsed
        for subscription_id in ids:
            with db.write() as session:
                renewals.lock_subscriber(session, subscription_id)
                state = renewals.renew(session, subscription_id, day, clock)
            renewed += state is SubscriptionState.ACTIVE
            lapsed += state in OVER
