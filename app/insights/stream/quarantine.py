"""Records that could not be read: looked at, and applied again once the code can read them."""

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
    """A record's own bytes. Raises NotFound."""
    found = repository.record(session, name, shard, position)
    if found is None:
        raise NotFound(f"no record {position} of shard {shard} is in quarantine")
    return found


def redrive(db: Database, position: str | None = None, name: str = CONSUMER) -> Redriven:
    """Read quarantined records again, one or all: the good are applied as if they came now, the bad stay.

    Each transaction takes some; one that is repeated or cut short counts nothing twice. Raises NotFound where no such
    record is in quarantine.
    """
    total, after = Redriven(0, 0), _FIRST
    while True:
        with db.write() as session:
            held = repository.hold_aside(session, name, position, after, AT_ONCE)
            if not held:
                break
            shards: dict[str, list[Record]] = defaultdict(list)
            for shard, at, data in held:
                shards[shard].append(Record(at, data))
            for shard, records in shards.items():
                total += _again(session, name, shard, records)
            after = held[-1][:2]
    if position is not None and total == Redriven(0, 0):
        raise NotFound(f"no record {position} is in quarantine")
    return total


def _again(session: WriteSession, name: str, shard: str, records: Sequence[Record]) -> Redriven:
    read = [envelopes.read(record) for record in records]
    bad = [one for one in read if isinstance(one, Poison)]
    consumer.take_in(session, name, read)
    if bad:
        repository.tried_in_vain(session, name, shard, bad)
    good = {record.position for record in records} - {one.position for one in bad}
    repository.release(session, name, shard, list(good))
    return Redriven(len(good), len(bad))
