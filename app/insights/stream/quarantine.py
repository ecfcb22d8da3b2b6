"""The quarantine of records that could not be parsed: list them, and parse them again after the parser was fixed."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from app.db import Database, Session, WriteSession
from app.errors import NotFound
from app.insights.stream import consumer, repository
from app.insights.stream.consumer import CONSUMER
from app.insights.stream.models import Aside, Poison, Record, Redriven

AT_ONCE = 100


def aside(session: Session, limit: int) -> list[Aside]:
    """Return up to `limit` quarantined records, ordered by shard and position."""
    return repository.aside(session, CONSUMER, limit)


def raw(session: Session, shard: str, position: str) -> bytes:
    """Return a quarantined record's bytes. Raises NotFound if no such record is quarantined."""
    record = repository.record(session, CONSUMER, shard, position)
    if record is None:
        raise NotFound(f"no record {position} of shard {shard} is in quarantine")
    return record


def redrive(db: Database, position: str | None = None) -> Redriven:
    """Parse the quarantined records again, all or only those at `position`: apply valid ones, keep malformed ones.

    Runs in transactions of 100 records; records applied before are not counted twice. Raises NotFound if no record at
    the position is quarantined.
    """
    total, after = Redriven(0, 0), ("", "")
    while True:
        with db.write() as session:
            rows = repository.lock_quarantined(session, CONSUMER, position, after, AT_ONCE)
            if not rows:
                break
            for shard, of_shard in groupby(rows, key=itemgetter(0)):
                total += _redrive(session, shard, [Record(at, data) for _, at, data in of_shard])
            after = rows[-1][:2]
    if position is not None and total == Redriven(0, 0):
        raise NotFound(f"no record {position} is in quarantine")
    return total


def _redrive(session: WriteSession, shard: str, records: Sequence[Record]) -> Redriven:
    items, _ = consumer.parse(session, records)
    bad = [item for item in items if isinstance(item, Poison)]
    consumer.take_in(session, CONSUMER, items)
    if bad:
        repository.count_try(session, CONSUMER, shard, bad)
    good = {record.position for record in records} - {item.position for item in bad}
    repository.release(session, CONSUMER, shard, list(good))
    return Redriven(len(good), len(bad))
