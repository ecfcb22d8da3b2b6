"""Reconcile lots, wallets, postings and the replayed ledger: all must give the same balances for each member."""

import time

from app.clock import Clock
from app.db import Database
from app.night import reconcile_repository as repository
from app.night.models import Reconciliation


def run(db: Database, clock: Clock) -> Reconciliation:
    """Compare all members' balances in one snapshot of the database, and store and return the result."""
    started = time.monotonic()
    with db.snapshot() as session:
        wallets, difference = repository.wallets(session), repository.first_difference(session)
    result = Reconciliation(clock.now(), wallets, round(time.monotonic() - started, 3), difference)
    with db.write() as session:
        repository.insert(session, result)
    return result
