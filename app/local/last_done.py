"""When the scheduler's calls were last done, as the database remembers it, so that a start puts none of them off."""

from dataclasses import dataclass
from datetime import datetime

from app.db import Session


@dataclass(frozen=True)
class LastDone:
    """Of what was never done, when the ledger began; None before that."""

    exported: datetime | None
    learned: datetime | None
    loaded: datetime | None


def last_done(session: Session) -> LastDone:
    """An export's id is a UUID version 7, which begins with its time in milliseconds."""
    row = session.one(
        LastDone,
        """WITH exports AS (
               SELECT to_timestamp(('x' || left(replace(export_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) AS at
               FROM journal_block_exports WHERE completed ORDER BY last_block DESC LIMIT 1
           ), epochs AS (SELECT min(opened_at) AS began FROM journal_epochs)
           SELECT coalesce((SELECT at FROM exports), began) AS exported,
                  coalesce((SELECT learned_at FROM learned), began) AS learned,
                  coalesce((SELECT published_at FROM insight_published), began) AS loaded
           FROM epochs""",
    )
    assert row is not None  # noqa: S101  an aggregate always gives a row
    return row
