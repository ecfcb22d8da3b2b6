"""Consume the ledger's stream: add each order and return to the sales counts of its hour, exactly once.

Both the Lambda function and, on one machine, the stream worker call `apply`. The stream may repeat records. The numbers
of applied revisions are stored in the same transaction as the hourly counts, so that a repeat changes nothing.

After a restore of the database the stream still has the lost blocks, whose numbers the ledger gives to new blocks. Only
records of blocks that the ledger has are counted; the strand tells lost blocks from new ones.
"""

from collections.abc import Sequence

import structlog

from app import lags
from app.db import Session, WriteSession
from app.insights.stream import envelopes, repository, windows_repository
from app.insights.stream.models import Applied, Change, Gap, Poison, Record, Sealed, Status
from app.ledger import strands

log = structlog.get_logger()

CONSUMER = lags.CONSUMER
erase = repository.erase


def apply(session: WriteSession, consumer: str, shard: str, records: Sequence[Record]) -> Applied:
    """Apply a batch of a shard's records: count new revisions, quarantine malformed records, store the new position."""
    items, lost = parse(session, records)
    if lost:
        log.warning("records of blocks that the ledger lacks", shard=shard, records=lost)
    blocks = [item.block for item in items if isinstance(item, Sealed)]
    for gap in repository.gaps_made(session, consumer, blocks) if blocks else []:
        # Block summaries share one partition key, so they arrive in order: a missing one was lost.
        log.error("blocks are missing on the stream", first=gap.first, last=gap.last, shard=shard)
    applied, repeated = take_in(session, consumer, items)
    poison = [bad for bad in items if isinstance(bad, Poison)]
    if poison:
        repository.quarantine(session, consumer, shard, poison)
        log.warning("records quarantined", shard=shard, records=len(poison), reason=poison[0].reason)
    if records:
        repository.checkpoint(session, consumer, shard, records[-1].position)
    return Applied(applied, repeated, len(poison), lost)


def parse(session: Session, records: Sequence[Record]) -> tuple[list[envelopes.Parsed], int]:
    """Parse records; return those that are not of lost blocks, and the number of those that are."""
    items = [envelopes.read(record) for record in records]
    if not any(isinstance(item, Change | Sealed) for item in items):
        return items, 0
    blocks = strands.blocks(session)
    kept = [item for item in items if not isinstance(item, Change | Sealed) or blocks.has(item.strand, item.block)]
    return kept, len(items) - len(kept)


def take_in(session: WriteSession, consumer: str, items: Sequence[envelopes.Parsed]) -> tuple[int, int]:
    """Count the orders and returns of new revisions; return how many revisions were new, and how many were repeats."""
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
        windows_repository.close_windows(session, consumer)
    return len(fresh), len(changes) - len(fresh)


def gaps(session: Session) -> list[Gap]:
    """Return the ranges of ledger blocks that did not arrive on the stream, although later blocks did."""
    return repository.gaps(session, CONSUMER)


def status(session: Session) -> Status:
    """Return the consumer's progress; all zero before its first batch."""
    return repository.status(session, CONSUMER) or Status(CONSUMER, None, 0, 0, 0, 0, 0, 0, 0)
