"""Reconcile lots, wallets, postings and the replayed ledger: all must give the same balances for each member.

It compares whole sets in one snapshot of the database, and names the first member with a difference.
"""

import time

from app.clock import Clock
from app.db import Database, ReadSession
from app.night import reconcile_repository as repository
from app.night.models import Reconciliation


def run(db: Database, clock: Clock) -> Reconciliation:
    """Compare the books, and store the result."""
    started = time.monotonic()
    with db.snapshot() as session:
        wallets, difference = repository.wallets(session), _difference(session)
    result = Reconciliation(clock.now(), wallets, round(time.monotonic() - started, 3), difference)
    with db.write() as session:
        repository.insert(session, result)
    return result


def _difference(session: ReadSession) -> str | None:
    if difference := repository.first_difference(session):
        member_id, *books = difference
        names = ("the wallet", "lots", "postings", "the ledger")
        balances = "; ".join(f"{name} {book}" for name, book in zip(names, books, strict=True))
        return f"member {member_id} has [pending, available, owed]: {balances}"
    if untraced := repository.first_untraced(session):
        redemption_id, points, drawn = untraced
        return f"redemption {redemption_id} spent {points} points, of which {drawn} are traced to lots"
    if overcounted := repository.first_overcounted(session):
        lot_id, missing, drawn = overcounted
        return f"returns of lot {lot_id} count {missing} of its points as spent, which are {drawn}"
    if unbalanced := repository.first_unbalanced(session):
        movement_id, points = unbalanced
        return f"the postings of movement {movement_id} sum to {points}"
    return None
