"""The times at which the scheduler's calls of Lambda handlers last completed, so that a restart delays no call."""

from dataclasses import dataclass
from datetime import datetime

from app.db import Session
from app.insights.recommendations import service as recommendations
from app.insights.warehouse import service as warehouse
from app.ledger import exports
from app.ledger import service as ledger


@dataclass(frozen=True)
class LastDone:
    """When exports, learning and warehouse loads last completed.

    Before its first completion, a time is that of the ledger's creation; None if there is no ledger.
    """

    exported: datetime | None
    learned: datetime | None
    loaded: datetime | None


def last_done(session: Session) -> LastDone:
    began = ledger.began(session)
    return LastDone(
        exports.last_begun(session) or began,
        recommendations.learned_at(session) or began,
        warehouse.published_at(session) or began,
    )
