"""List quarantined records, and apply them again once the code can parse them."""

from collections import defaultdict
from collections.abc import Sequence

from app.db import Database, Session, WriteSession
from app.errors import NotFound
from app.insights.stream import consumer, envelopes, repository
from app.insights.stream.consumer import CONSUMER
from app.insights.stream.models import Aside, Poison, Record, Redriven

AT_ONCE = 100
_FIRST = ("", "")


def aside(session: Session, limit: int, name: str = CONSUMER) -> list[Aside]:
    return repository.aside(session, name, limit)


def raw(session: Session, shard: str, position: str, name: str = CONSUMER) -> bytes:
    """Return a record's own bytes. Raises NotFound."""
    record = repository.record(session, name, shard, position)
    if record is None:
        raise NotFound(f"no record {position} of shard {shard} is in quarantine")
    return record


def redrive(db: Database, position: str | None = None, name: str = CONSUMER) -> Redriven:
    """Parse quarantined records again, one position or all: apply the good ones as new, and keep the bad ones.

    Each transaction takes some; a repeated or interrupted run counts nothing twice. Raises NotFound if no such record
    is quarantined.
    """
    total, after = Redriven(0, 0), _FIRST
    while True:
        with db.write() as session:
            rows = repository.lock_quarantined(session, name, position, after, AT_ONCE)
            if not rows:
                break
            shards: dict[str, list[Record]] = defaultdict(list)
            for shard, at, data in rows:
                shards[shard].append(Record(at, data))
            for shard, records in shards.items():
                total += _again(session, name, shard, records)
            after = rows[-1][:2]
    if position is not None and total == Redriven(0, 0):
        raise NotFound(f"no record {position} is in quarantine")
    return total


def _again(session: WriteSession, name: str, shard: str, records: Sequence[Record]) -> Redriven:
    items = [envelopes.read(record) for record in records]
    bad = [item for item in items if isinstance(item, Poison)]
    consumer.take_in(session, name, items)
    if bad:
        repository.tried_in_vain(session, name, shard, bad)
    good = {record.position for record in records} - {item.position for item in bad}
    repository.release(session, name, shard, list(good))
    return Redriven(len(good), len(bad))
