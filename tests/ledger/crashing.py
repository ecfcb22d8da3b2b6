"""A process that takes an order through ledger, Kinesis and insights, and kills itself at a given step.

`python -m tests.ledger.crashing SERVICES_URL SEALERS_URL CONSUMERS_URL ENDPOINT STEP`, with a database URL per login.
"""

import os
import signal
import sys
from datetime import UTC, datetime
from threading import Event
from typing import Any

import boto3

from app import ledger
from app.clock import SystemClock
from app.db import Database
from app.ids import derived_id
from app.insights.stream import consumer as insights
from app.insights.stream.models import Record
from app.ledger import cursors, sealer, stream
from app.ledger.stream import Publisher
from app.settings import Settings

STREAM, PRODUCT = "journal", derived_id("product")
POINTS = [
    *("appended", "committed", "sealed", "seal committed", "half sent", "sent", "marked"),
    *("applied", "checkpointed"),
]


def turn(url: str, sealers_url: str, consumers_url: str, endpoint: str, where: str) -> None:
    def reached(point: str) -> None:
        if point == where:
            os.kill(os.getpid(), signal.SIGKILL)

    db = Database.open(Settings(database_url=url, pool_size=2))
    sealing = Database.open(Settings(database_url=sealers_url, pool_size=2))
    consuming = Database.open(Settings(database_url=consumers_url, pool_size=2))
    line = {"product_id": PRODUCT, "units": 1, "paid_minor": 100}
    with db.write() as session:
        ledger.append(session, "orders", where, {"placed_at": datetime(2026, 3, 2, 12, tzinfo=UTC), "lines": [line]})
        session.value("SELECT 1")  # the database has it
        reached("appended")
    reached("committed")
    with sealing.write() as session:
        sealer.seal(session, SystemClock())
        session.value("SELECT 1")
        reached("sealed")
    reached("seal committed")
    kinesis: Any = boto3.client("kinesis", endpoint_url=endpoint, region_name="us-east-1")
    put, move = kinesis.put_records, cursors.move

    def put_and_die(**arguments: Any) -> Any:
        answer = put(**arguments)
        reached("half sent")
        return answer

    def moved(*arguments: Any) -> None:
        reached("sent")
        move(*arguments)

    kinesis.put_records, stream.RECORDS_A_CALL = put_and_die, 2
    cursors.move = moved  # type: ignore[assignment]  # a stand-in that kills
    Publisher(sealing, kinesis, STREAM).publish(Event())
    reached("marked")
    for shard, records in received(kinesis).items():
        with consuming.write() as session:
            insights.apply(session, "consumer", shard, records)
            session.value("SELECT 1")
            reached("applied")
    reached("checkpointed")
    for opened in (consuming, sealing, db):
        opened.close()


def received(kinesis: Any, name: str = STREAM) -> dict[str, list[Record]]:
    by_shard = {}
    for shard in kinesis.list_shards(StreamName=name)["Shards"]:
        start = kinesis.get_shard_iterator(StreamName=name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
            "ShardIterator"
        ]
        records = kinesis.get_records(ShardIterator=start)["Records"]
        by_shard[shard["ShardId"]] = [Record(record["SequenceNumber"], record["Data"]) for record in records]
    return by_shard


if __name__ == "__main__":
    turn(*sys.argv[1:])
