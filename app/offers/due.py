"""Apply a wallet's due changes (confirm, settle, expire, renew) before a request makes changes of its own.

For each day: confirm pending lots whose return window is over, settle debts from available points, expire lots after
their last day, then renew subscriptions. Each change is dated to the day's first moment in the program's time zone.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

import orjson

from app import ledger
from app.clock import FixedClock, local_date
from app.db import WriteSession
from app.ids import new_id
from app.offers import due_repository as repository
from app.offers import renewals
from app.program import service as programs
from app.program.models import Program
from app.times import begin_of
from app.wallet import debts
from app.wallet import service as wallets
from app.wallet.models import Batch

LOTS_A_TRANSACTION = 10_000
"""Most lots in a transaction. Their ledger items take about 1 MB; a transaction may write 4 MB to the ledger."""

Items = dict[str, list[orjson.Fragment]]

earliest = repository.earliest
ask = repository.ask_first_due


def write(session: WriteSession, member_id: UUID, at: datetime) -> None:
    """Apply all changes of a member's wallet that are due by an instant; locks the wallet if there are any."""
    times = {member_id: at}
    if first := ask(session, times)():
        write_all(session, first, times)


def write_all(session: WriteSession, first: Mapping[UUID, date], at: Mapping[UUID, datetime]) -> None:
    """Apply several members' due wallet changes, from the member's day in `first` to the member's instant in `at`."""
    program = programs.program(session)
    wallets.lock_wallets(session, sorted(first))
    items: Items = defaultdict(list)
    for member_id, first_day in sorted(first.items()):
        day: date | None = first_day
        today = local_date(at[member_id], program.zone)
        while day:
            _write_day(session, member_id, day, begin_of(day, program.zone), program, items)
            day = repository.next_due(session, member_id, day, today)
    _journal(session, items, local_date(max(at.values()), program.zone))


def write_now(session: WriteSession, at: Mapping[UUID, datetime]) -> None:
    """Apply wallet changes that are due only because of what a request has just changed in these wallets.

    The request called `write` before its own changes. New lots without a return window are confirmed; points that were
    put back into a lot past its last day expire.
    """
    program = programs.program(session)
    items: Items = defaultdict(list)
    for member_id in sorted(at):
        today = local_date(at[member_id], program.zone)
        _write_day(session, member_id, today, at[member_id], program, items)
    _journal(session, items, local_date(max(at.values()), program.zone))


def _write_day(session: WriteSession, member_id: UUID, day: date, at: datetime, program: Program, items: Items) -> None:
    batch = Batch(day, at, LOTS_A_TRANSACTION, member_id)
    items["confirmed"] += wallets.confirm(session, batch, program).items
    debts.settle(session, member_id, at)
    items["expired"] += wallets.expire(session, batch).items
    for subscription_id in renewals.due_of(session, member_id, day):
        renewals.renew(session, subscription_id, day, FixedClock(at))


def _journal(session: WriteSession, items: Items, today: date) -> None:
    for kind, moved in items.items():
        ledger.append_items(session, "nightly", str(new_id()), moved, what=kind, businessDate=today)
