"""Write what is due in a wallet before it changes, with the results and dates of the nightly calculation.

For each day, dated to its first moment in the program's zone: confirm pending lots whose return window is over, pay
debts from available points, expire lots after their last day, then renew subscriptions.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, datetime
from uuid import UUID

import orjson

from app import ledger
from app.clock import FixedClock, local_date
from app.db import Session, WriteSession
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
"""Most lots in a transaction: their items take about 1 MB of the 4 MB of journal that a transaction may write."""

Items = dict[str, list[orjson.Fragment]]

earliest = repository.earliest


def ask(session: Session, at: Mapping[UUID, datetime]) -> Callable[[], dict[UUID, date]]:
    """Ask for the first day on which anything in a wallet was due by a time; others are left out.

    `at` holds the times by member. The returned call waits for the answer, so that the query shares a round trip with
    another. The answer holds until the wallet is locked: only time adds what is due, and each change of a wallet writes
    it.
    """
    return repository.ask_first_due(session, at)


def write(session: WriteSession, member_id: UUID, at: datetime) -> None:
    """Write what was due in a wallet by then, each dated to its day. Locks the wallet if anything was due."""
    times = {member_id: at}
    if first := ask(session, times)():
        write_all(session, first, times)


def write_all(session: WriteSession, first: Mapping[UUID, date], at: Mapping[UUID, datetime]) -> None:
    """Run `write` for several members; `first` is the first day by member on which anything is due."""
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
    """Write what a change made due at once: a purchase without a return window, or points that came back after expiry.

    The caller wrote what was due before it made the change.
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
