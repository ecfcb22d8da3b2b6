"""Take back the points of returned units, whether they are pending, confirmed or spent.

Pending points are removed. For confirmed points, the return policy decides. ONLY_PENDING: they stay. WITHIN_BALANCE:
they are taken from the lot or, if spent, from the member's other lots. NEGATIVE: the same, and points beyond the
balance become a debt. Spent points that a return could not take are recorded as the lot's `short` points.
"""

from collections import defaultdict
from dataclasses import astuple, dataclass, replace
from datetime import datetime
from operator import add
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
    """How many points a return took, and from where.

    `pending` and `confirmed` points came from the returned units' lots. `spent` points had been spent and came from the
    member's other lots instead. `owed` points exceeded the member's balance and became a debt.
    """

    pending: int = 0
    confirmed: int = 0
    spent: int = 0
    owed: int = 0

    @property
    def points(self) -> int:
        return self.pending + self.confirmed + self.spent + self.owed

    def __add__(self, other: "TakenBack") -> "TakenBack":
        return TakenBack(*map(add, astuple(self), astuple(other)))


def leaves_points(lot: Lot) -> bool:
    """Return whether the return policy let the member keep points of a lot whose units were returned."""
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
    """Take back the points of returned units of an order line, and record the return in the explanations of the lots.

    The line's returns together take round(points × returned units / bought units) of each rule's or offer's points, so
    returning unit by unit has the same result. The caller has confirmed and expired due lots.
    """
    entry = {"return_id": str(return_id), "on": str(local_date(at, zone))}
    repository.lock_wallet(session, member_id)
    by_rule: dict[UUID | None, list[Lot]] = defaultdict(list)
    for lot in repository.lock_lots_of_line(session, order_id, line):
        by_rule[lot.rule_id].append(lot)
    taken = TakenBack()
    for lots in by_rule.values():
        # Taking spent points of an earlier lot may have changed this one.
        current = [repository.lot(session, lot.lot_id) or lot for lot in lots] if taken.spent else lots
        taken += _take_back(session, current, units, zone, policy, at, entry)
    return taken


def _take_back(
    session: WriteSession,
    lots: list[Lot],
    units: int,
    zone: ZoneInfo,
    policy: ReturnPolicy,
    at: datetime,
    entry: dict[str, Any],
) -> TakenBack:
    """Take back the points that returned units earned under one rule or offer.

    `lots` are the lot of these units and the lots that earlier returns split off from it.
    """
    lot = next((lot for lot in lots if lot.state in LIVE and lot.units), None)
    if lot is None:
        return TakenBack()
    returned_units = min(units, lot.units)
    earned, bought = sum(lot.points for lot in lots), sum(lot.units for lot in lots)
    before = bought - lot.units
    points = returned_share(earned, bought, before, returned_units)
    entry = {**entry, "units": returned_units}
    if lot.state is LotState.PENDING:
        taken = _remove(session, lot, returned_units, points, at, entry)
    elif policy is ReturnPolicy.ONLY_PENDING:
        return TakenBack()
    else:
        taken = _claw_back(session, lot, returned_units, points, at, entry, policy)
    _free_cap(session, lot, taken.points, zone)
    return taken


def _remove(session: WriteSession, lot: Lot, units: int, points: int, at: datetime, entry: dict[str, Any]) -> TakenBack:
    _split(session, lot, units, points, LotState.REMOVED, entry)
    if points:
        repository.change_wallet(session, lot.member_id, pending=-points)
        _refund(session, lot, Account.MEMBER_PENDING, points, "return", at)
    return TakenBack(pending=points)


def _claw_back(
    session: WriteSession,
    lot: Lot,
    units: int,
    points: int,
    at: datetime,
    entry: dict[str, Any],
    policy: ReturnPolicy,
    kind: RedemptionKind = RedemptionKind.CLAWBACK,
) -> TakenBack:
    """Take back points of a confirmed lot: unspent ones from it, spent ones as `policy` says; post them as `kind`."""
    unspent = min(points, lot.unspent)
    wallet = repository.wallet(session, lot.member_id)
    balance = wallet.available - unspent if wallet and policy is not ReturnPolicy.ONLY_PENDING else 0
    spent_of_it = min(points - unspent, repository.draws_on(session, lot.lot_id) - lot.recovered - lot.short)
    spent = min(spent_of_it, balance)
    owed = spent_of_it - spent if policy is ReturnPolicy.NEGATIVE else 0
    short = spent_of_it - spent - owed
    lot = replace(lot, recovered=lot.recovered + spent + owed, short=lot.short + short)
    _split(session, lot, units, unspent, LotState.CLAWED_BACK, {**entry, "short": short} if short else entry)
    if unspent:
        repository.change_wallet(session, lot.member_id, available=-unspent)
        _refund(session, lot, Account.MEMBER_AVAILABLE, unspent, kind, at)
    if spent:
        debts.recover(session, lot.member_id, spent, lot.funding(spent), at, kind, of_order=lot.order_id)
    if owed:
        repository.change_wallet(session, lot.member_id, owed=owed)
        _refund(session, lot, Account.MEMBER_OWED, owed, kind, at)
    return TakenBack(confirmed=unspent, spent=spent, owed=owed)


def reverse_correction(session: WriteSession, program: Program, lot: Lot, at: datetime) -> TakenBack:
    """Take back the points that a correction gave: unspent ones from its lot, spent ones as the return policy decides.

    The caller has locked the wallet.
    """
    today = str(local_date(at, program.zone))
    entry = {"reversed": str(lot.source_id), "reversal_id": str(new_id()), "on": today, "units": 0}
    return _claw_back(session, lot, 0, lot.points, at, entry, program.return_policy, RedemptionKind.CORRECTION)


def claw_back_short(session: WriteSession, lot: Lot, return_id: str, points: int, at: datetime) -> Lot:
    """Take short points from a lot into which an undone redemption has put them back; return the lot with what remains.

    Short points are those that the return `return_id` could not take. They go to the account that funded the lot.
    """
    lot = shorts.without(lot, return_id, points)
    entry = {**shorts.entry(lot, return_id), "units": 0}
    rest = _split(session, lot, 0, points, LotState.CLAWED_BACK, entry)
    repository.change_wallet(session, lot.member_id, available=-points)
    _refund(session, lot, Account.MEMBER_AVAILABLE, points, "late_clawback", at)
    _free_cap(session, lot, points, programs.zone(session))
    return rest


def recover_short(session: WriteSession, lot: Lot, return_id: str, points: int, at: datetime) -> None:
    """Pay the lot's funder the lot's short points, which a return could not take, from the member's other lots."""
    repository.update_lot(session, shorts.paid(lot, return_id, points))
    kind = RedemptionKind.CLAWBACK
    debts.recover(session, lot.member_id, points, lot.funding(points), at, kind, of_order=lot.order_id)
    _free_cap(session, lot, points, programs.zone(session))


def _free_cap(session: WriteSession, lot: Lot, points: int, zone: ZoneInfo) -> None:
    if points and lot.rule_id:
        caps.give_back(session, lot.rule_id, lot.member_id, local_date(lot.earned_at, zone), points)


def _split(session: WriteSession, lot: Lot, units: int, points: int, state: LotState, entry: dict[str, Any]) -> Lot:
    """Move units and points of a lot to a new lot in the given state, and return the lot with what remains.

    `entry` describes a return. The new lot's explanation lists only this return, the remaining lot's all returns.
    """
    own_entry = {**entry, "points": points}
    lot = replace(lot, explanation={**lot.explanation, "returns": [*lot.explanation.get("returns", ()), own_entry]})
    if units == lot.units and points == lot.points:
        removed = replace(lot, unspent=0, state=state)
        repository.update_lot(session, removed)
        return removed
    rest = replace(lot, units=lot.units - units, points=lot.points - points, unspent=lot.unspent - points)
    if rest.state is LotState.CONFIRMED and not rest.unspent:
        rest = replace(rest, state=LotState.SPENT)
    repository.update_lot(session, rest)
    split = replace(
        lot,
        lot_id=new_id(),
        units=units,
        points=points,
        unspent=0,
        recovered=0,
        short=0,
        state=state,
        split_from=lot.lot_id,
        explanation={**lot.explanation, "returns": [own_entry]},
    )
    repository.insert_lots(session, [split])
    return rest


def _refund(session: WriteSession, lot: Lot, account: Account, points: int, kind: str, at: datetime) -> None:
    repository.post(session, kind, [Posting(account, lot.member_id, -points), lot.funding(points)], at)
