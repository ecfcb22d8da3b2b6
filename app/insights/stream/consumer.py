"""The stream's records become hourly windows, each revision once.

The Lambda function and the one-machine loop call `apply` alike. Delivery is at least once; as what was seen, the
windows and the checkpoint commit together, the effect is exactly once, whichever shard brings a record.
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
    """Apply a batch of one shard: drop repeats, grow windows, put poison aside, move the checkpoint; all or nothing."""
    read = [envelopes.read(record) for record in records]
    _tell_of_gaps(session, consumer, shard, [one.block for one in read if isinstance(one, Sealed)])
    applied, repeated = take_in(session, consumer, read)
    poison = [bad for bad in read if isinstance(bad, Poison)]
    if poison:
        repository.quarantine(session, consumer, shard, poison)
        log.warning("records quarantined", shard=shard, records=len(poison), reason=poison[0].reason)
    if records:
        repository.checkpoint(session, consumer, shard, records[-1].position)
    return Applied(applied, repeated, len(poison))


def _tell_of_gaps(session: WriteSession, consumer: str, shard: str, blocks: Sequence[int]) -> None:
    """Summaries all go by one key, so in their order: a number left out is told of at once, and again by `status`."""
    for gap in repository.gaps_made(session, consumer, blocks) if blocks else []:
        log.error("blocks are missing on the stream", first=gap.first, last=gap.last, shard=shard)


def take_in(session: WriteSession, consumer: str, read: Sequence[Read]) -> tuple[int, int]:
    """Count in what was not seen before; how many revisions that were, and how many repeats."""
    changes = [one for one in read if isinstance(one, Change)]
    seen = repository.seen(session, consumer, [change.sequence for change in changes])
    fresh = [change for change in changes if seen.add(change.sequence)]
    baskets = [(change.sequence, change.basket) for change in fresh if change.basket is not None]
    returns = [change.returned for change in fresh if change.returned is not None]
    newest = max((basket.placed_at for _, basket in baskets), default=None)
    if baskets:
        repository.count_in(session, baskets)
    if returns:
        repository.count_returned(session, returns)
    repository.keep(session, consumer, seen, [one.block for one in read if isinstance(one, Sealed)], newest)
    if baskets:
        repository.close_windows(session, consumer)
    return len(fresh), len(changes) - len(fresh)


def gaps(session: Session, consumer: str = CONSUMER) -> list[Gap]:
    """Blocks that never came, though later ones did."""
    return repository.gaps(session, consumer)


def status(session: Session, consumer: str = CONSUMER) -> Status:
    """A consumer that has seen nothing yet stands at nothing."""
    return repository.status(session, consumer) or Status(consumer, None, 0, 0, 0, 0, 0, 0, 0)
