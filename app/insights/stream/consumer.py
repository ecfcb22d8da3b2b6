"""Apply the stream's records to the hourly windows, each revision once.

The Lambda function and the one-machine loop both call `apply`. Delivery is at least once; because the set of seen
revisions, the windows and the checkpoint commit together, the effect is exactly once, on whichever shard a record
comes.
"""

from collections.abc import Sequence

import structlog

from app import lags
from app.db import Session, WriteSession
from app.insights.stream import envelopes, repository
from app.insights.stream.models import Applied, Change, Gap, Poison, Record, Sealed, Status

log = structlog.get_logger()

CONSUMER = lags.CONSUMER

Read = Change | Sealed | Poison | None


def apply(session: WriteSession, consumer: str, shard: str, records: Sequence[Record]) -> Applied:
    """Apply a shard's batch in one transaction: drop repeats, update windows, quarantine bad records, checkpoint."""
    items = [envelopes.read(record) for record in records]
    _tell_of_gaps(session, consumer, shard, [item.block for item in items if isinstance(item, Sealed)])
    applied, repeated = take_in(session, consumer, items)
    poison = [bad for bad in items if isinstance(bad, Poison)]
    if poison:
        repository.quarantine(session, consumer, shard, poison)
        log.warning("records quarantined", shard=shard, records=len(poison), reason=poison[0].reason)
    if records:
        repository.checkpoint(session, consumer, shard, records[-1].position)
    return Applied(applied, repeated, len(poison))


def _tell_of_gaps(session: WriteSession, consumer: str, shard: str, blocks: Sequence[int]) -> None:
    """Log blocks that are missing. Block summaries share one key, so they arrive in order, and a gap is a loss."""
    for gap in repository.gaps_made(session, consumer, blocks) if blocks else []:
        log.error("blocks are missing on the stream", first=gap.first, last=gap.last, shard=shard)


def take_in(session: WriteSession, consumer: str, items: Sequence[Read]) -> tuple[int, int]:
    """Apply revisions not seen before; return how many were new and how many were repeats."""
    changes = [item for item in items if isinstance(item, Change)]
    seen = repository.lock_seen(session, consumer, [change.sequence for change in changes])
    fresh = [change for change in changes if seen.add(change.sequence)]
    baskets = [(change.sequence, change.basket) for change in fresh if change.basket is not None]
    returns = [change.returned for change in fresh if change.returned is not None]
    newest = max((basket.placed_at for _, basket in baskets), default=None)
    if baskets:
        repository.count_in(session, baskets)
    if returns:
        repository.count_returned(session, returns)
    repository.keep(session, consumer, seen, [item.block for item in items if isinstance(item, Sealed)], newest)
    if baskets:
        repository.close_windows(session, consumer)
    return len(fresh), len(changes) - len(fresh)


def gaps(session: Session, consumer: str = CONSUMER) -> list[Gap]:
    """Return blocks whose summaries are missing though later ones arrived."""
    return repository.gaps(session, consumer)


def status(session: Session, consumer: str = CONSUMER) -> Status:
    """Return a consumer's state, all zero before its first batch."""
    return repository.status(session, consumer) or Status(consumer, None, 0, 0, 0, 0, 0, 0, 0)
