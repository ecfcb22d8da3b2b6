"""When the scheduler's calls were last done, as the database remembers it, so that a start puts none of them off."""

from dataclasses import dataclass
from datetime import datetime

from app.db import Session
from app.insights.recommendations import service as recommendations
from app.insights.warehouse import service as warehouse
from app.ledger import exports
from app.ledger import service as ledger


@dataclass(frozen=True)
class LastDone:
    """Of what was never done, when the ledger began; None before that."""

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
