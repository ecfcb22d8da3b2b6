"""Taking rewards back: exactly those of the units that came back, whatever became of them since.

What was confirmed is clawed back as the return policy says: not at all, first out of the lot itself and then (for
points already spent) within the member's balance, or beyond it, as a debt that what is confirmed next pays.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from app.clock import local_date
from app.db import WriteSession
from app.earning import caps
from app.earning.calculation import returned_share
from app.ids import new_id
from app.program import service as programs
from app.program.models import Program, ReturnPolicy
from app.wallet import debts, repository, shorts
from app.wallet.models import Account, Lot, LotState, Posting, RedemptionKind

LIVE = (LotState.PENDING, LotState.CONFIRMED, LotState.SPENT, LotState.EXPIRED)


@dataclass(frozen=True)
class TakenBack:
    """What a return took: points that were pending, confirmed ones out of their own lots, and spent ones elsewhere.

    `owed` are those that the member could not cover.
    """

    pending: int = 0
    confirmed: int = 0
    spent: int = 0
    owed: int = 0

    @property
    def points(self) -> int:
        return self.pending + self.confirmed + self.spent + self.owed

    def __add__(self, other: "TakenBack") -> "TakenBack":
        return TakenBack(
            self.pending + other.pending,
            self.confirmed + other.confirmed,
            self.spent + other.spent,
            self.owed + other.owed,
        )


def leaves_points(lot: Lot) -> bool:
    """Whether the member still has of the lot, after its line came back, what the return policy did not take."""
    return lot.state in LIVE and bool(lot.units or lot.short)


def take_back(
    session: WriteSession,
    zone: ZoneInfo,
    policy: ReturnPolicy,
    member_id: UUID,
    order_id: UUID,
    line: int,
    units: int,
    at: datetime,
    return_id: UUID,
) -> TakenBack:
    """Remove the rewards of units that came back; the lots' explanations name the return from then on.

    Of what an earner gave for a group of units, returned ones are due round(points × returned / bought) in all, so that
    returning unit by unit ends where returning at once does. What is due in the wallet was written before.
    """
    came = {"return_id": str(return_id), "on": str(local_date(at, zone))}
    repository.lock_wallet(session, member_id)
    families: dict[UUID | None, list[Lot]] = defaultdict(list)
    for lot in repository.lots_of_line(session, order_id, line):
        families[lot.rule_id].append(lot)
    taken = TakenBack()
    for family in families.values():
        # What was spent of the one before may have come out of this one.
        now = [repository.lot(session, lot.lot_id) or lot for lot in family] if taken.spent else family
        taken += _take_back(session, now, units, zone, policy, at, came)
    return taken


def _take_back(
    session: WriteSession,
    family: list[Lot],
    units: int,
    zone: ZoneInfo,
    policy: ReturnPolicy,
    at: datetime,
    came: dict[str, Any],
) -> TakenBack:
    """`family` is what one earner gave for the line: at most one lot still stands, the others came back before."""
    live = next((lot for lot in family if lot.state in LIVE and lot.units), None)
    if live is None:
        return TakenBack()
    coming = min(units, live.units)
    earned, bought = sum(lot.points for lot in family), sum(lot.units for lot in family)
    before = bought - live.units
    due = returned_share(earned, bought, before, coming)
    came = {**came, "units": coming}
    if live.state is LotState.PENDING:
        taken = _remove(session, live, coming, due, at, came)
    elif policy is ReturnPolicy.ONLY_PENDING:
        return TakenBack()
    else:
        taken = _claw_back(session, live, coming, due, at, came, policy)
    if taken.points and live.rule_id:
        bought_on = local_date(live.earned_at, zone)
        caps.give_back(session, live.rule_id, live.member_id, bought_on, taken.points)
    return taken


def _remove(session: WriteSession, lot: Lot, units: int, due: int, at: datetime, came: dict[str, Any]) -> TakenBack:
    _cut(session, lot, units, due, LotState.REMOVED, came)
    if due:
        repository.change_wallet(session, lot.member_id, pending=-due)
        _refund(session, lot, Account.MEMBER_PENDING, due, "return", at)
    return TakenBack(pending=due)


def _claw_back(
    session: WriteSession,
    lot: Lot,
    units: int,
    due: int,
    at: datetime,
    came: dict[str, Any],
    policy: ReturnPolicy,
    kind: RedemptionKind = RedemptionKind.CLAWBACK,
) -> TakenBack:
    """What was spent of it comes out of other lots as the policy says. `kind` is that of postings and redemptions."""
    own = min(due, lot.unspent)
    held = repository.wallet(session, lot.member_id)
    balance = held.available - own if held and policy is not ReturnPolicy.ONLY_PENDING else 0
    spent_of_it = min(due - own, repository.draws_on(session, lot.lot_id) - lot.recovered - lot.short)
    spent = min(spent_of_it, balance)
    owed = spent_of_it - spent if policy is ReturnPolicy.NEGATIVE else 0
    short = spent_of_it - spent - owed
    lot = replace(lot, recovered=lot.recovered + spent + owed, short=lot.short + short)
    _cut(session, lot, units, own, LotState.CLAWED_BACK, {**came, "short": short} if short else came)
    if own:
        repository.change_wallet(session, lot.member_id, available=-own)
        _refund(session, lot, Account.MEMBER_AVAILABLE, own, kind, at)
    if spent:
        debts.recover(session, lot.member_id, spent, lot.funding(spent), at, kind, of_order=lot.order_id)
    if owed:
        repository.change_wallet(session, lot.member_id, owed=owed)
        _refund(session, lot, Account.MEMBER_OWED, owed, kind, at)
    return TakenBack(confirmed=own, spent=spent, owed=owed)


def reverse_correction(session: WriteSession, program: Program, lot: Lot, at: datetime) -> TakenBack:
    """Take back what a correction booked. The wallet is locked.

    What is left of it goes; for what was spent of it the program's return policy decides.
    """
    came = {
        "reversed": str(lot.source_id),
        "reversal_id": str(new_id()),
        "on": str(local_date(at, program.zone)),
        "units": 0,
    }
    return _claw_back(session, lot, 0, lot.points, at, came, program.return_policy, RedemptionKind.CORRECTION)


def claw_back_short(session: WriteSession, lot: Lot, return_id: str, points: int, at: datetime) -> Lot:
    """Spent points that came back into a lot go on to who funded it: so much of what one of its returns went short of.

    `return_id` is that return's id in the lot's explanation. The lot, as it is then.
    """
    lot = shorts.without(lot, return_id, points)
    came = {**shorts.entry(lot, return_id), "units": 0}
    rest = _cut(session, lot, 0, points, LotState.CLAWED_BACK, came)
    repository.change_wallet(session, lot.member_id, available=-points)
    _refund(session, lot, Account.MEMBER_AVAILABLE, points, "late_clawback", at)
    _free_cap(session, lot, points)
    return rest


def recover_short(session: WriteSession, lot: Lot, return_id: str, points: int, at: datetime) -> None:
    """Take points that a return of the lot went short of out of the member's other lots, who has them by now."""
    repository.update_lot(session, shorts.paid(lot, return_id, points))
    kind = RedemptionKind.CLAWBACK
    debts.recover(session, lot.member_id, points, lot.funding(points), at, kind, of_order=lot.order_id)
    _free_cap(session, lot, points)


def _free_cap(session: WriteSession, lot: Lot, points: int) -> None:
    if lot.rule_id:
        zone = programs.program(session).zone
        caps.give_back(session, lot.rule_id, lot.member_id, local_date(lot.earned_at, zone), points)


def _cut(session: WriteSession, lot: Lot, units: int, points: int, state: LotState, came: dict[str, Any]) -> Lot:
    """Take units and points out of a lot; they live on in a lot of their own, which shows what became of them.

    Both explain themselves by the return that came; the lot that stays, by all of its returns. What stays.
    """
    of_this = {**came, "points": points}
    lot = replace(lot, explanation={**lot.explanation, "returns": [*lot.explanation.get("returns", ()), of_this]})
    if units == lot.units and points == lot.points:
        gone = replace(lot, unspent=0, state=state)
        repository.update_lot(session, gone)
        return gone
    rest = replace(lot, units=lot.units - units, points=lot.points - points, unspent=lot.unspent - points)
    if rest.state is LotState.CONFIRMED and not rest.unspent:
        rest = replace(rest, state=LotState.SPENT)
    repository.update_lot(session, rest)
    cut = replace(
        lot,
        lot_id=new_id(),
        units=units,
        points=points,
        unspent=0,
        recovered=0,
        short=0,
        state=state,
        split_from=lot.lot_id,
        explanation={**lot.explanation, "returns": [of_this]},
    )
    repository.insert_lots(session, [cut])
    return rest


def _refund(session: WriteSession, lot: Lot, account: Account, points: int, kind: str, at: datetime) -> None:
    """Points go from a member's account back to the one that the lot's came from."""
    repository.post(session, kind, [Posting(account, lot.member_id, -points), lot.funding(points)], at)
