"""Real-time insight: the stream's records become hourly sales, each revision once."""

from collections.abc import Sequence
from datetime import datetime

from app.db import Session, WriteSession
from app.errors import BadInput, FieldError
from app.insights import envelopes, repository
from app.insights.models import Applied, By, Change, Poison, Record, Sale, Seller


def apply(session: WriteSession, consumer: str, shard: str, records: Sequence[Record]) -> Applied:
    """Apply a batch of one shard: repeats dropped, windows grown, poison put aside, checkpoint moved, all or nothing.

    Delivery is at least once; as the revision's number, the window and the checkpoint commit together, the effect is
    exactly once.
    """
    read = [envelopes.read(record) for record in records]
    changes = [change for change in read if isinstance(change, Change)]
    poison = [bad for bad in read if isinstance(bad, Poison)]
    fresh = repository.mark_applied(session, consumer, sorted({change.sequence for change in changes}))
    counted: set[int] = set()
    sales: list[Sale] = []
    for change in changes:
        if change.sequence in fresh and change.sequence not in counted:
            counted.add(change.sequence)
            sales.extend(change.sales)
    if sales:
        repository.add_sales(session, sales)
    for bad in poison:
        repository.quarantine(session, consumer, shard, bad)
    if records:
        repository.checkpoint(session, consumer, shard, records[-1].position)
    return Applied(len(fresh), len(changes) - len(fresh), len(poison))


def top_sellers(session: Session, since: datetime, until: datetime, by: By, limit: int) -> list[Seller]:
    """What sold most units in [since, until). Raises BadInput for a span that ends before it starts."""
    if since >= until:
        raise BadInput("the span ends before it starts", [FieldError("until", "before-since", "must be after since")])
    return repository.top_sellers(session, since, until, by, limit)
