"""What runs beside the API on one machine: the sealer, the stream with its consumer, and the scheduler.

The stream's consumer and the scheduler stand in for Lambda's event source and EventBridge: they call the handlers
themselves, with events of the real shapes.
"""

import base64
from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING

import boto3
import structlog
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import OperationalError

from app import logs
from app.clock import clock_for, local_date
from app.functions import database, journal_insights, nightly_rewards
from app.ledger import digests, keys, sealer
from app.ledger import service as ledger
from app.ledger.stream import Publisher
from app.rewards import nightly, service
from app.settings import settings

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import RecordTypeDef

log = structlog.get_logger()

IDLE_SECONDS = 0.5
LOST_SECONDS = 2.0
RECORDS_A_BATCH = 500


def run(name: str, stop: Event) -> None:
    """Run a worker until `stop`."""
    logs.configure(settings().log_level)
    match name:
        case "sealer":
            chosen = settings()
            every = timedelta(milliseconds=chosen.seal_every_ms)
            url = chosen.sealer_database_url or chosen.database_url
            sealer.run(lambda: sealer.connect(url), clock_for(chosen.clock_file), every, stop)
        case "stream":
            beside = [Thread(target=_again_and_again, args=(work, stop)) for work in (_publish, _anchor)]
            for thread in beside:
                thread.start()
            _again_and_again(_consume, stop)
            for thread in beside:
                thread.join()
        case "scheduler":
            _again_and_again(_schedule, stop)
        case _:
            raise ValueError(f"there is no worker {name}")


def _again_and_again(work: Callable[[Event], None], stop: Event) -> None:
    """A lost database or stream is waited for."""
    while not stop.is_set():
        try:
            work(stop)
        except (BotoCoreError, ClientError, OperationalError) as lost:
            log.warning("waiting for a lost part", work=work.__name__, error=str(lost).strip())
            stop.wait(LOST_SECONDS)


def _kinesis() -> "KinesisClient":
    return boto3.client("kinesis")


def _publish(stop: Event) -> None:
    clock = clock_for(settings().clock_file)
    publisher = Publisher(database(), _kinesis(), settings().stream_name, clock)
    while not stop.is_set():
        if not publisher.publish(stop):
            stop.wait(IDLE_SECONDS)


def _anchor(stop: Event) -> None:
    """Keep a signed digest in the archive every few minutes, while the ledger grows."""
    chosen, clock = settings(), clock_for(settings().clock_file)
    s3, signer, anchored = boto3.client("s3"), keys.signer(chosen), 0
    while not stop.wait(chosen.digest_every_s):
        with database().snapshot() as session:
            if ledger.status(session).sealed == anchored:
                continue
            digest = digests.take(session, clock)
        retain = timedelta(days=chosen.digest_kept_days)
        digests.anchor(s3, chosen.archive_bucket, digests.signed(digest, signer), retain)
        anchored = digest.tree_size


def _consume(stop: Event) -> None:
    """Read every shard in turn and hand batches to the Lambda handler."""
    kinesis, stream = _kinesis(), settings().stream_name
    iterators: dict[str, str | None] = {}
    while not stop.is_set():
        for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
            if shard["ShardId"] not in iterators:
                iterators[shard["ShardId"]] = _iterator(kinesis, stream, shard["ShardId"])
        handled = 0
        for shard_id, iterator in iterators.items():
            if iterator is None:
                continue
            answer = kinesis.get_records(ShardIterator=iterator, Limit=RECORDS_A_BATCH)
            if answer["Records"]:
                journal_insights.handler({"Records": [_event(shard_id, record) for record in answer["Records"]]}, None)
            iterators[shard_id] = answer.get("NextShardIterator")
            handled += len(answer["Records"])
        if not handled:
            stop.wait(IDLE_SECONDS)


def _iterator(kinesis: "KinesisClient", stream: str, shard_id: str) -> str:
    """From the start: the stream lives in memory and is made anew with each `up`; repeats are dropped."""
    start = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON")
    return start["ShardIterator"]


def _event(shard_id: str, record: "RecordTypeDef") -> dict[str, object]:
    return {
        "eventID": f"{shard_id}:{record['SequenceNumber']}",
        "eventSource": "aws:kinesis",
        "eventName": "aws:kinesis:record",
        "kinesis": {
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(record["Data"]).decode(),
        },
    }


def _schedule(stop: Event) -> None:
    """Call the nightly calculation once for each business day, as soon as it has come; late if we were not running."""
    db, clock = database(), clock_for(settings().clock_file)
    while not stop.is_set():
        with db.read() as session:
            today = local_date(clock.now(), service.program(session).zone)
            last = nightly.last_day(session)
        if last is None or last < today:
            log.info("nightly calculation", **nightly_rewards.handler({"date": today.isoformat()}, None))
        stop.wait(IDLE_SECONDS)
