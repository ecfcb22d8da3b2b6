"""What all insight is tested with: the journal as the stream carries it, and a consumer."""

from collections.abc import Callable, Sequence

import pytest

from app.clock import SystemClock
from app.insights.stream import consumer
from app.insights.stream.models import Record
from app.ledger import repository as journal
from app.ledger import sealer
from app.ledger.stream import envelopes_of
from tests.shop import Shop

Streamed = Callable[[], list[Record]]
Consumed = Callable[[], None]


@pytest.fixture
def streamed(shop: Shop) -> Streamed:
    """Everything that was journaled, sealed and as the stream carries it."""

    def records() -> list[Record]:
        with shop.db.write() as session:
            sealer.seal(session, SystemClock())
        with shop.db.read() as session:
            sent = [
                envelope["Data"]
                for block in journal.blocks_from(session, 0, 10_000)
                for envelope in envelopes_of(block, journal.sealed_in(session, block), "arn:a-ledger")
            ]
        return [Record(f"{place:010}", bytes(data)) for place, data in enumerate(sent)]  # type: ignore[arg-type]

    return records


@pytest.fixture
def consumed(shop: Shop, streamed: Streamed) -> Consumed:
    """Lets the consumer take in all that was journaled; what it had before is dropped as repeated."""
    return lambda: apply(shop, streamed())


def apply(shop: Shop, records: Sequence[Record], shard: str = "s-0") -> None:
    with shop.db.write() as session:
        consumer.apply(session, consumer.CONSUMER, shard, records)
