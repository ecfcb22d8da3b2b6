"""Take back the points of returned units, whatever happened to the points since.

Confirmed points are clawed back as the return policy defines: not at all; from the lot and then, for spent points, from
the rest of the balance; or beyond the balance, as a debt that points confirmed next pay. A lot is short of spent points
that a return could take nowhere; recovering them takes them from other lots.
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
    """The points that a return took: pending, confirmed from their own lots, and spent, taken from other lots.

    `owed` points exceed the member's balance.
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
    """Return whether the member keeps points of a returned lot that the return policy did not take."""
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
    """Take back the points of returned units; the lots' explanations then name the return.

    Of an earner's points for a group of units, round(points × returned / bought) are taken in total, so that returning
    unit by unit has the same result. The caller has written what is due in the wallet.
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
    """Take points from one earner's lots for a line: at most one lot has units left, the others came back before."""
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
    if taken.points and lot.rule_id:
        bought_on = local_date(lot.earned_at, zone)
        caps.give_back(session, lot.rule_id, lot.member_id, bought_on, taken.points)
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
    """Claw back a confirmed lot; the policy decides on its spent points. `kind` is that of postings and redemptions."""
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
    """Take back the points that a correction booked. The caller has locked the wallet.

    Unspent points are removed; for spent ones the program's return policy decides.
    """
    entry = {
        "reversed": str(lot.source_id),
        "reversal_id": str(new_id()),
        "on": str(local_date(at, program.zone)),
        "units": 0,
    }
    return _claw_back(session, lot, 0, lot.points, at, entry, program.return_policy, RedemptionKind.CORRECTION)


def claw_back_short(session: WriteSession, lot: Lot, return_id: str, points: int, at: datetime) -> Lot:
    """Pass points that came back into a short lot on to its funder, and return the remaining lot.

    `return_id` names the return that fell short, in the lot's explanation.
    """
    lot = shorts.without(lot, return_id, points)
    entry = {**shorts.entry(lot, return_id), "units": 0}
    rest = _split(session, lot, 0, points, LotState.CLAWED_BACK, entry)
    repository.change_wallet(session, lot.member_id, available=-points)
    _refund(session, lot, Account.MEMBER_AVAILABLE, points, "late_clawback", at)
    _free_cap(session, lot, points)
    return rest


def recover_short(session: WriteSession, lot: Lot, return_id: str, points: int, at: datetime) -> None:
    """Take points of which a lot is short from the member's other lots."""
    repository.update_lot(session, shorts.paid(lot, return_id, points))
    kind = RedemptionKind.CLAWBACK
    debts.recover(session, lot.member_id, points, lot.funding(points), at, kind, of_order=lot.order_id)
    _free_cap(session, lot, points)


def _free_cap(session: WriteSession, lot: Lot, points: int) -> None:
    if lot.rule_id:
        zone = programs.program(session).zone
        caps.give_back(session, lot.rule_id, lot.member_id, local_date(lot.earned_at, zone), points)


def _split(session: WriteSession, lot: Lot, units: int, points: int, state: LotState, entry: dict[str, Any]) -> Lot:
    """Split units and points off a lot into a new lot in the given state, and return the remaining lot.

    The new lot's explanation names this return, that of the remaining lot all its returns.
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
    """Post points from a member's account back to the account that funded the lot."""
    repository.post(session, kind, [Posting(account, lot.member_id, -points), lot.funding(points)], at)
