"""Earn and spend points: each movement of points changes lots, wallets and balanced postings together."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from app import ledger
from app.db import Session, WriteSession
from app.earning import caps
from app.earning.caps import Room
from app.earning.earners import Earner
from app.errors import NotEnough, NotFound
from app.ids import new_id
from app.wallet import due_repository, repository, statements_repository
from app.wallet.models import Account, Draw, Lot, Posting, Redemption, RedemptionKind

MOST_DRAWS = 1_000
"""Most draws that a redemption's ledger document lists, at about 70 bytes each; more are listed in separate ones."""

# Repository functions that other packages call.
wallet_of = repository.wallet
lock_or_open_wallet = repository.lock_or_open_wallet
lock_wallets = repository.lock_wallets
lot = repository.lot
lots_of_member = repository.lots_of_member
lots_of_order = repository.lots_of_order
lots_that_count = repository.lots_that_count
ids_of = repository.ids_of
erase = repository.erase
redemptions = repository.redemptions_of
lock_redemption = repository.lock_redemption
set_redemption_state = repository.set_redemption_state
confirm = due_repository.confirm
expire = due_repository.expire
indebted = due_repository.indebted
funding = statements_repository.funding
movements = statements_repository.movements
entries = statements_repository.entries


def lock_caps(session: WriteSession, requests: Sequence[tuple[Earner, UUID, date]]) -> Room:
    """Lock the members' wallets, then the caps on what they may earn; return how many points each cap still allows.

    Recording a return locks in the same order, to avoid deadlocks.
    """
    if members := caps.limited(requests):
        repository.lock_wallets(session, sorted(members))
    return caps.lock(session, requests)


def book(session: WriteSession, lots: Sequence[Lot]) -> None:
    """Store pending lots, add their points to the wallets, and post one movement of points per order."""
    if not lots:
        return
    earned: dict[UUID, int] = defaultdict(int)
    funded: dict[tuple[UUID | None, UUID, datetime], dict[UUID | None, int]] = defaultdict(lambda: defaultdict(int))
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
    """Store a redemption, and draw its points from the member's confirmed lots, earliest expiry first.

    The points are posted to the account in `to`, by default the program's liability account. Raises NotEnough, without
    changes, if the member has fewer points.
    """
    member, points = redemption.member_id, redemption.points
    if not repository.spend_from_wallet(session, member, points):
        wallet = repository.wallet(session, member)
        raise NotEnough(f"{points} points are needed, {wallet.available if wallet else 0} are available")
    draws = repository.draw(session, member, points)
    assert sum(draw.points for draw in draws) == points  # noqa: S101  wallet and lots always agree
    repository.insert_redemption(session, redemption, draws)
    taker = to or Posting(Account.PROGRAM_LIABILITY, None, points)
    postings = [Posting(Account.MEMBER_AVAILABLE, member, -points), taker]
    repository.post(session, redemption.kind, postings, redemption.redeemed_at)
    listed = draws if len(draws) <= MOST_DRAWS else []
    document = {**redemption.__dict__, "draws": listed, "drawn_from": len(draws), "paid_to": taker.account}
    ledger.append(session, "redemptions", redemption.redemption_id, document)
    if len(draws) > MOST_DRAWS:
        head = {"redemption_id": redemption.redemption_id, "member_id": member}
        ledger.append_items(session, "redemption_draws", str(redemption.redemption_id), draws, **head)
    return draws


def book_correction(session: WriteSession, lot: Lot, at: datetime) -> None:
    """Store the lot of a correction, funded by the program's account for corrections, and credit the wallet."""
    repository.insert_lots(session, [lot])
    repository.change_wallet(session, lot.member_id, available=lot.points)
    booking = [lot.funding(-lot.points), Posting(Account.MEMBER_AVAILABLE, lot.member_id, lot.points)]
    repository.post(session, RedemptionKind.CORRECTION, booking, at, movement_id=lot.source_id)


def earned_under(session: Session, order_ids: Sequence[UUID], rule_ids: Sequence[UUID]) -> dict[UUID, set[UUID]]:
    """Return, by order id, which of the given rules and offers gave points for the order, in lots of any state."""
    rules: dict[UUID, set[UUID]] = defaultdict(set)
    for order_id, rule_id in repository.earned_under(session, order_ids, rule_ids):
        rules[order_id].add(rule_id)
    return rules


def redemption(session: Session, member_id: UUID, redemption_id: UUID) -> Redemption:
    """Return a member's redemption. Raises NotFound, also if it is another member's."""
    redemption = repository.redemption(session, redemption_id)
    if redemption is None or redemption.member_id != member_id:
        raise NotFound(f"you have no redemption {redemption_id}")
    return redemption
