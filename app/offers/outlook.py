"""A preview of a member's wallet after all changes that are due, computed in memory without writing.

Steps and order are those of `app.offers.due`, so members see the same balance when the nightly calculation is late.
"""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from app.clock import Clock, local_date
from app.db import Session
from app.errors import NotFound
from app.offers import due
from app.offers import renewals as renewing
from app.offers.models import Subscribed
from app.offers.renewals import Renewal
from app.program import service as programs
from app.program.models import Program
from app.times import begin_of
from app.wallet import service as wallets
from app.wallet.models import Lot, LotState, Wallet
from app.wallet.movements import Entry, EntryKind, Movements


@dataclass
class Outlook:
    """In-memory copies of a member's wallet, points lots and due subscriptions, to which due changes are applied.

    Only subscriptions paid in points are copied. `write_day` applies one day's changes to the copies, and adds them to
    `movements` and `entries` for the member's statement.
    """

    program: Program
    wallet: Wallet
    lots: dict[UUID, Lot]
    renewals: dict[UUID, Renewal]
    movements: list[tuple[datetime, Movements]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def next_due(self, after: date, today: date) -> date | None:
        days = [lot.matures_on for lot in self.lots.values() if lot.state is LotState.PENDING]
        days += [lot.expires_on for lot in self._confirmed() if lot.expires_on]
        days += [renewal.subscribed.due_on for renewal in self.renewals.values() if renewal.runs]
        return min((day for day in days if after < day <= today), default=None)

    def write_day(self, day: date) -> None:
        self._confirm(day)
        self._settle_debt(day)
        self._expire(day)
        self._renew(day)

    def subscribed(self) -> list[Subscribed]:
        return [renewal.subscribed for renewal in self.renewals.values()]

    def _confirm(self, day: date) -> None:
        expiry_days = self.program.expire_after_days
        points = 0
        for lot in list(self.lots.values()):
            if lot.state is LotState.PENDING and lot.matures_on <= day:
                expires_on = lot.matures_on + timedelta(days=expiry_days) if expiry_days else None
                self.lots[lot.lot_id] = replace(lot, state=LotState.CONFIRMED, expires_on=expires_on)
                points += lot.points
        text = "can be spent from then on"
        self._move(day, Movements("", confirmed=points, pending=-points, available=points), EntryKind.CONFIRMED, text)

    def _settle_debt(self, day: date) -> None:
        points = min(self.wallet.owed, self.wallet.available)
        self._draw(points)
        self._move(day, Movements("", available=-points, owed=-points))

    def _expire(self, day: date) -> None:
        points = 0
        for lot in self._confirmed():
            if lot.expires_on and lot.expires_on <= day:
                self.lots[lot.lot_id] = replace(lot, state=LotState.EXPIRED, unspent=0)
                points += lot.unspent
        self._move(day, Movements("", expired=points, available=-points), EntryKind.EXPIRED, "were past their day")

    def _renew(self, day: date) -> None:
        waiting = [renewal for renewal in self.renewals.values() if renewal.runs and renewal.subscribed.due_on <= day]
        for renewal in sorted(waiting, key=lambda row: (row.subscribed.due_on, row.subscribed.subscription_id)):
            renewed, points = renewal.on(day, self.wallet.available, self.program.zone)
            self.renewals[renewed.subscribed.subscription_id] = renewed
            self._draw(points)
            text = f"a period of {renewal.offer.name}"
            self._move(day, Movements("", spent=points, available=-points), EntryKind.SPENT, text)

    def _confirmed(self) -> list[Lot]:
        return [lot for lot in self.lots.values() if lot.state is LotState.CONFIRMED]

    def _draw(self, points: int) -> None:
        for lot in sorted(self._confirmed(), key=lambda lot: (lot.expires_on or date.max, lot.lot_id)):
            taken = min(points, lot.unspent)
            if taken:
                state = LotState.SPENT if taken == lot.unspent else LotState.CONFIRMED
                self.lots[lot.lot_id] = replace(lot, unspent=lot.unspent - taken, state=state)
                points -= taken

    def _move(self, day: date, movements: Movements, kind: EntryKind | None = None, says: str = "") -> None:
        if not (movements.pending or movements.available):
            return
        wallet = self.wallet
        self.wallet = replace(
            wallet,
            pending=wallet.pending + movements.pending,
            available=wallet.available + movements.available,
            owed=wallet.owed + movements.owed,
        )
        at = begin_of(day, self.program.zone)
        self.movements.append((at, movements))
        if kind:
            self.entries.append(Entry(at, kind, abs(movements.available), says, None))


def read(session: Session, member_id: UUID, at: datetime) -> Outlook | None:
    """Return a preview of a member's wallet after all changes due by an instant, or None if no change is due."""
    first = due.ask(session, {member_id: at})().get(member_id)
    if first is None:
        return None
    program = programs.program(session)
    today = local_date(at, program.zone)
    wallet = wallets.wallet_of(session, member_id) or Wallet(member_id, 0, 0)
    lots = wallets.lots_that_count(session, member_id, today)
    renewals = {renewal.subscribed.subscription_id: renewal for renewal in renewing.renewals(session, member_id, today)}
    outlook = Outlook(program, wallet, {lot.lot_id: lot for lot in lots}, renewals)
    day: date | None = first
    while day:
        outlook.write_day(day)
        day = outlook.next_due(day, today)
    return outlook


def wallet(session: Session, member_id: UUID, clock: Clock) -> Wallet:
    """Return a member's wallet as it is after all changes due by now; it is empty if the member never had points."""
    if outlook := read(session, member_id, clock.now()):
        return outlook.wallet
    return wallets.wallet_of(session, member_id) or Wallet(member_id, 0, 0)


def lots(session: Session, member_id: UUID, clock: Clock, after: UUID | None, limit: int) -> list[Lot]:
    """Return a page of a member's lots, with due changes applied, newest first: those that follow the id `after`."""
    updated_lots = _lots_by_id(session, member_id, clock)
    return [updated_lots.get(lot.lot_id, lot) for lot in wallets.lots_of_member(session, member_id, after, limit)]


def lot(session: Session, member_id: UUID, lot_id: UUID, clock: Clock) -> Lot:
    """Return a member's points lot after all changes due by now. Raises NotFound, also for another member's lot."""
    lot = wallets.lot(session, lot_id)
    if lot is None or lot.member_id != member_id:
        raise NotFound(f"you have no lot {lot_id}")
    return _lots_by_id(session, member_id, clock).get(lot_id, lot)


def _lots_by_id(session: Session, member_id: UUID, clock: Clock) -> dict[UUID, Lot]:
    outlook = read(session, member_id, clock.now())
    return outlook.lots if outlook else {}
