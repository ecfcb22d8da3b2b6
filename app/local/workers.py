"""What runs beside the API on one machine: the ledger's worker, the stream's consumer, and the scheduler.

The consumer and the scheduler stand in for Lambda's event source and EventBridge: they call the handlers themselves,
with events of the real shapes.
"""

import base64
import time
from threading import Event
from typing import TYPE_CHECKING

import boto3
import structlog

from app import logs
from app.clock import clock_for, local_date
from app.functions import (
    database,
    digest_anchor,
    hourly_insights,
    journal_export,
    journal_insights,
    nightly_rewards,
    warehouse_load,
)
from app.ledger import worker
from app.local.shards import Shards
from app.rewards import nightly, service
from app.settings import settings

if TYPE_CHECKING:
    from mypy_boto3_kinesis.type_defs import RecordTypeDef

log = structlog.get_logger()

IDLE_SECONDS = 0.5


def run(name: str, stop: Event) -> None:
    """Run a worker until `stop`."""
    logs.configure(settings().log_level)
    match name:
        case "sealer":
            worker.run(settings(), stop)
        case "stream":
            worker.again_and_again(lambda: _consume(stop), stop)
        case "scheduler":
            worker.again_and_again(lambda: _schedule(stop), stop)
        case _:
            raise ValueError(f"there is no worker {name}")


def _consume(stop: Event) -> None:
    """Read every shard in turn and hand batches to the Lambda handler."""
    shards = Shards(boto3.client("kinesis"), settings().stream_name)
    while not stop.is_set():
        handled = 0
        for shard_id, records in shards.batches():
            journal_insights.handler({"Records": [_event(shard_id, record) for record in records]}, None)
            handled += len(records)
        if not handled:
            stop.wait(IDLE_SECONDS)


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
    """Each business day's midnight as soon as it has come, late if we were not running; and what is periodic."""
    chosen, db, clock = settings(), database(), clock_for(settings().clock_file)
    periodic = {
        digest_anchor.handler: chosen.digest_every_s,
        journal_export.handler: chosen.export_every_s,
        hourly_insights.handler: chosen.insights_every_s,
    }
    if chosen.warehouse_url:
        periodic[warehouse_load.handler] = chosen.warehouse_every_s
    due = {handler: time.monotonic() + every for handler, every in periodic.items()}
    while not stop.is_set():
        with db.read() as session:
            today = local_date(clock.now(), service.program(session).zone)
            last = nightly.last_day(session)
        if last is None or last < today:
            log.info("nightly calculation", **nightly_rewards.handler({"date": today.isoformat()}, None))
        for handler, every in periodic.items():
            if time.monotonic() >= due[handler]:
                handler({}, None)
                due[handler] = time.monotonic() + every
        stop.wait(IDLE_SECONDS)
