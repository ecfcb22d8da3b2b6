"""Test helpers that turn the ledger into stream records, and apply stream records to the hourly sales counts."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

import orjson
import pytest

from app import logins
from app.clock import SystemClock
from app.db import Database
from app.insights.stream import consumer
from app.insights.stream.models import Record
from app.ledger import repository as journal
from app.ledger import sealer
from app.ledger.models import STRAND
from app.ledger.stream import envelopes_of
from tests.shop import Shop

Streamed = Callable[[], list[Record]]
Consumed = Callable[[], None]


@pytest.fixture
def streamed(shop: Shop, sealing: Database) -> Streamed:
    """Return a function that seals all revisions and returns the whole ledger as stream records."""
    return lambda: journaled(sealing)


@pytest.fixture
def consumed(shop: Shop, streamed: Streamed) -> Consumed:
    """Return a function that applies the whole ledger to the hourly sales; records applied before change nothing."""
    return lambda: apply(shop.under(logins.CONSUMING), streamed())


def journaled(db: Database) -> list[Record]:
    """Seal all revisions, then return the whole ledger as the records that its Kinesis stream would carry."""
    with db.write() as session:
        while sealer.seal(session, SystemClock()):
            pass
    with db.read() as session:
        sent = [
            envelope["Data"]
            for block in journal.blocks_from(session, 0, 1_000_000)
            for envelope in envelopes_of(block, journal.sealed_in(session, block), "arn:a-ledger")
        ]
    return [Record(f"{place:020}", cast("bytes", data)) for place, data in enumerate(sent)]


def apply(db: Database, records: Sequence[Record], shard: str = "s-0") -> None:
    with db.write() as session:
        consumer.apply(session, consumer.CONSUMER, shard, records)


def order_record(sequence: int, at: datetime, products: Sequence[UUID], member: UUID | None = None) -> Record:
    """Return the stream record of an order: one unit of each product, each paid with 1.00."""
    lines = [{"product_id": product, "units": 1, "paid_minor": 100} for product in products]
    data = {"placed_at": at, "member_id": member, "lines": lines}
    revision = {"blockAddress": {"strandId": STRAND, "sequenceNo": 0}, "data": data}
    payload = {"tableInfo": {"tableName": "orders"}, "revision": revision, "sequence": sequence}
    return Record(f"{sequence:010}", orjson.dumps({"recordType": "REVISION_DETAILS", "payload": payload}))
