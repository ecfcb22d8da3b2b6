"""Earning, spending and taking back: every movement of points is lots, wallet and balanced postings together."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from app import ledger
from app.clock import Clock, local_date
from app.db import Session, WriteSession
from app.errors import BadInput, FieldError, NotEnough, NotFound
from app.ids import new_id
from app.money import divide
from app.rewards import earning, repository
from app.rewards.models import (
    Account,
    Draw,
    Earning,
    Lot,
    LotState,
    Posting,
    Program,
    Redemption,
    RedemptionKind,
    RedemptionState,
    ReturnPolicy,
    Rule,
    Sellable,
    Wallet,
)

LIVE = (LotState.PENDING, LotState.CONFIRMED, LotState.SPENT, LotState.EXPIRED)


def program(session: Session) -> Program:
    return repository.program(session)


def terms(session: Session, first: datetime, last: datetime) -> tuple[Program, list[Rule]]:
    """The program, and the rules that run at some time between; `earning.rule_for` picks by the exact one."""
    return repository.terms(session, first, last)


def change_program(session: WriteSession, changed: Program) -> None:
    repository.set_program(session, changed)
    ledger.append(session, "program", "program", changed)


def rules(session: Session, clock: Clock) -> list[Rule]:
    """The rules that run now."""
    now = clock.now()
    return repository.terms(session, now, now)[1]


def add_rule(session: WriteSession, rule: Rule) -> Rule:
    """Raises BadInput where the rule ends before it starts."""
    if rule.starts_at and rule.ends_at and rule.starts_at >= rule.ends_at:
        raise BadInput(
            "a rule ends after it starts", [FieldError("ends_at", "before-start", "must be after starts_at")]
        )
    repository.insert_rule(session, rule)
    ledger.append(session, "earning_rules", rule.rule_id, rule)
    return rule


def earnings(session: Session, products: Sequence[Sellable], clock: Clock) -> dict[UUID, Earning]:
    """What one unit of each product would earn now, before any boost; products that earn nothing are left out."""
    now = clock.now()
    program, running = repository.terms(session, now, now)
    today = local_date(now, program.zone)
    found = {}
    for product in products:
        rule = earning.rule_for(running, product, now)
        if rule and (points := earning.points_for(rule, None, product.price_minor, 1)):
            found[product.product_id] = Earning(points, earning.matures_on(today, product), rule.name)
    return found


def book(session: WriteSession, lots: Sequence[Lot]) -> None:
    """Write what orders earned as pending, one movement an order."""
    if not lots:
        return
    earned: dict[UUID, int] = defaultdict(int)
    funded: dict[tuple[UUID, UUID, datetime], dict[UUID, int]] = defaultdict(lambda: defaultdict(int))
    for lot in lots:
        earned[lot.member_id] += lot.points
        funded[lot.order_id, lot.member_id, lot.earned_at][lot.vendor_id] += lot.points
    postings = []
    for (_, member_id, at), vendors in funded.items():
        sides = [Posting(Account.VENDOR_FUNDING, vendor, -points) for vendor, points in vendors.items()]
        sides.append(Posting(Account.MEMBER_PENDING, member_id, sum(vendors.values())))
        movement = {"movement_id": new_id(), "posted_at": at}
        postings += [{**side.__dict__, **movement} for side in sides]
    repository.book(session, lots, earned, postings)


def spend(session: WriteSession, redemption: Redemption, to: Posting | None = None) -> list[Draw]:
    """Draw a redemption's points from the member's confirmed lots, soonest expiry first.

    The points go to the program's liability, or to the account in `to`. Raises NotEnough and changes nothing where
    the member has fewer.
    """
    member, points = redemption.member_id, redemption.points
    if not repository.take_from_wallet(session, member, available=points):
        wallet = repository.wallet(session, member)
        raise NotEnough(f"{points} points are needed, {wallet.available if wallet else 0} are available")
    draws = repository.draw(session, member, points)
    assert sum(draw.points for draw in draws) == points  # noqa: S101  wallet and lots always agree
    repository.insert_redemption(session, redemption, draws)
    taker = to or Posting(Account.PROGRAM_LIABILITY, None, points)
    repository.post(
        session,
        redemption.kind,
        [Posting(Account.MEMBER_AVAILABLE, member, -points), taker],
        redemption.redeemed_at,
    )
    ledger.append(session, "redemptions", redemption.redemption_id, {**redemption.__dict__, "draws": draws})
    return draws


@dataclass(frozen=True)
class TakenBack:
    """What a return took: points that were still pending, and points that had been confirmed."""

    pending: int
    confirmed: int


def take_back(
    session: WriteSession,
    member_id: UUID,
    order_id: UUID,
    line: int,
    *,
    units: int,
    returned_before: int,
    bought: int,
    at: datetime,
) -> TakenBack:
    """Remove the rewards of exactly the units that came back.

    Of a lot's points, returned units are due round(points × returned / bought) in all, so that returning unit by unit
    ends where returning at once does. What was confirmed is clawed back as the program's policy says, first out of the
    lot itself, then (for points already spent) within the member's balance.
    """
    repository.lock_wallet(session, member_id)
    policy = repository.program(session).return_policy
    families: dict[UUID, list[Lot]] = defaultdict(list)
    for lot in repository.lots_of_line(session, order_id, line):
        families[lot.rule_id].append(lot)
    pending = confirmed = 0
    for family in families.values():
        earned = sum(lot.points for lot in family)
        due = divide(earned * (returned_before + units), bought) - divide(earned * returned_before, bought)
        live = next((lot for lot in family if lot.state in LIVE), None)
        if live is None:
            continue
        if live.state is LotState.PENDING:
            pending += _remove(session, live, units, due, at)
        elif policy is ReturnPolicy.WITHIN_BALANCE:
            confirmed += _claw_back(session, live, units, due, at)
    return TakenBack(pending, confirmed)


def _remove(session: WriteSession, lot: Lot, units: int, due: int, at: datetime) -> int:
    _cut(session, lot, units, due, LotState.REMOVED)
    if due:
        repository.take_from_wallet(session, lot.member_id, pending=due)
        _refund_vendor(session, lot, Account.MEMBER_PENDING, due, "return", at)
    return due


def _claw_back(session: WriteSession, lot: Lot, units: int, due: int, at: datetime) -> int:
    own = min(due, lot.unspent)
    held = repository.wallet(session, lot.member_id)
    balance = held.available - own if held else 0
    spent = min(due - own, repository.draws_on(session, lot.lot_id) - lot.recovered, balance)
    _cut(session, replace(lot, recovered=lot.recovered + spent), units, own, LotState.CLAWED_BACK)
    if own:
        repository.take_from_wallet(session, lot.member_id, available=own)
        _refund_vendor(session, lot, Account.MEMBER_AVAILABLE, own, "clawback", at)
    if spent:
        _recover(session, lot, spent, at)
    return own + spent


def _recover(session: WriteSession, lot: Lot, points: int, at: datetime) -> None:
    """What was spent out of a returned lot comes out of the member's other lots, and back to the vendor."""
    redemption = Redemption(
        redemption_id=new_id(),
        member_id=lot.member_id,
        kind=RedemptionKind.CLAWBACK,
        state=RedemptionState.FULFILLED,
        points=points,
        amount_minor=None,
        order_id=lot.order_id,
        offer_id=None,
        redeemed_at=at,
    )
    spend(session, redemption, to=Posting(Account.VENDOR_FUNDING, lot.vendor_id, points))


def _cut(session: WriteSession, lot: Lot, units: int, points: int, state: LotState) -> None:
    """Take units and points out of a lot; they live on in a lot of their own, which shows what became of them."""
    if units == lot.units and points == lot.points:
        repository.update_lot(session, replace(lot, unspent=0, state=state))
        return
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
        state=state,
        split_from=lot.lot_id,
    )
    repository.insert_lots(session, [cut])


def _refund_vendor(session: WriteSession, lot: Lot, account: Account, points: int, kind: str, at: datetime) -> None:
    postings = [Posting(account, lot.member_id, -points), Posting(Account.VENDOR_FUNDING, lot.vendor_id, points)]
    repository.post(session, kind, postings, at)


def wallet(session: Session, member_id: UUID) -> Wallet:
    """A member who never earned anything has an empty wallet."""
    return repository.wallet(session, member_id) or Wallet(member_id, 0, 0)


def lots(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Lot]:
    """A member's lots, newest first."""
    return repository.lots_of_member(session, member_id, after, limit)


def lots_of_order(session: Session, order_id: UUID) -> list[Lot]:
    return repository.lots_of_order(session, order_id)


def lot(session: Session, member_id: UUID, lot_id: UUID) -> Lot:
    """Raises NotFound for another member's lot too."""
    found = repository.lot(session, lot_id)
    if found is None or found.member_id != member_id:
        raise NotFound(f"you have no lot {lot_id}")
    return found


def redemption(session: Session, member_id: UUID, redemption_id: UUID) -> Redemption:
    """Raises NotFound for another member's redemption too."""
    found = repository.redemption(session, redemption_id)
    if found is None or found.member_id != member_id:
        raise NotFound(f"you have no redemption {redemption_id}")
    return found


def redemptions(session: Session, member_id: UUID, limit: int) -> list[Redemption]:
    """A member's redemptions, newest first."""
    return repository.redemptions_of(session, member_id, limit)
