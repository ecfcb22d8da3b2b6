"""Processes that kill themselves in the middle of their work: `python -m tests.night.crashing night URL TIME STEP`."""

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from app.accounts.schemas import RedemptionOut
from app.clock import FixedClock
from app.db import Database, WriteSession
from app.idempotency import Once
from app.night import service as nightly
from app.offers import due, redemption
from app.settings import Settings
from app.wallet import service as wallets


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def night(url: str, instant: str, step: str) -> None:
    """Run the nightly calculation, and kill this process in the second transaction of `step` (confirm or expire)."""
    real, batches = getattr(wallets, step), list[int]()

    def dying(*arguments: Any) -> Any:
        moved = real(*arguments)
        batches.extend([moved.lots] if moved.lots else [])
        if len(batches) == 2:
            die()
        return moved

    setattr(wallets, step, dying)
    due.LOTS_A_TRANSACTION = 3
    nightly.run(_open(url), FixedClock(datetime.fromisoformat(instant)))


def redeem(url: str, instant: str, where: str, member: str, points: str) -> None:
    """Redeem points, and kill this process before the commit (`where` is "drawn") or before the answer is sent."""
    clock = FixedClock(datetime.fromisoformat(instant))
    once(_open(url), clock, UUID(member), int(points), before_commit=where == "drawn")
    die()


def once(db: Database, clock: Any, member: UUID, points: int, *, before_commit: bool = False) -> Any:
    def work(session: WriteSession) -> RedemptionOut:
        answer = RedemptionOut.model_validate(redemption.cash_back(session, member, points, clock))
        session.value("SELECT 1")  # the database has it
        if before_commit:
            die()
        return answer

    return Once(db, clock, "a key", sha256(b"a body").digest(), 201)(str(member), work)


def _open(url: str) -> Database:
    return Database.open(Settings(database_url=url, pool_size=2))


if __name__ == "__main__":
    works: dict[str, Callable[..., None]] = {"night": night, "redeem": redeem}
    works[sys.argv[1]](*sys.argv[2:])
