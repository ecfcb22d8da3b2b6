"""SQL of the floors that were announced last."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.db import Session, WriteSession, as_json


@dataclass(frozen=True)
class Last:
    """The last plan: its number, its floors as documents, since when it holds, and what its day had cost before."""

    number: int
    floors: list[dict[str, Any]]
    since: datetime
    spent_usd: float


_LAST = "SELECT number, floors, since, spent_usd FROM announced_floors"


def last(session: Session) -> Last:
    plan = session.one(Last, _LAST)
    assert plan is not None  # noqa: S101  the migration writes it
    return plan


def lock_last(session: WriteSession) -> Last:
    """Lock the last plan until the transaction ends, and return it."""
    plan = session.one(Last, f"{_LAST} FOR UPDATE")
    assert plan is not None  # noqa: S101  the migration writes it
    return plan


def set_last(session: WriteSession, plan: Last) -> None:
    session.run(
        "UPDATE announced_floors SET number = %s, floors = %s::jsonb, since = %s, spent_usd = %s",
        (plan.number, as_json(plan.floors), plan.since, plan.spent_usd),
    )
