"""What runs beside the API on one machine: the ledger's worker, the stream's consumer, and the scheduler.

The consumer and the scheduler stand in for Lambda's event source and EventBridge: they call the handlers themselves,
with events of the real shapes.
"""

import base64
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

import structlog

from app import aws, logs, tracing, vitals
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
from app.loops import Loop, Pulse
from app.rewards import nightly, service
from app.services import FUNCTIONS
from app.settings import Settings, settings

if TYPE_CHECKING:
    from mypy_boto3_kinesis.type_defs import RecordTypeDef

log = structlog.get_logger()

IDLE_SECONDS = 0.5
RETRY_SECONDS = 5.0


def run(name: str, stop: Event) -> None:
    """Run a worker until `stop`. Raises LoopDied for what does not pass: the process must end then."""
    chosen = settings()
    logs.configure(chosen.log_level)
    telemetry = tracing.start(f"rewards-{name}")
    match name:
        case "sealer":
            worker.run(chosen, stop)
        case "stream":
            vitals.run([Loop("consuming", consume, chosen.consume_limit_s)], chosen, stop)
        case "scheduler":
            vitals.run([Loop("scheduling", partial(schedule, periodic(chosen)), chosen.schedule_limit_s)], chosen, stop)
        case _:
            raise ValueError(f"there is no worker {name}")
    tracing.close(telemetry)


def consume(pulse: Pulse) -> None:
    """Read every shard in turn and hand batches to the Lambda handler."""
    shards = Shards(aws.client("kinesis", tries=1), settings().stream_name)
    while not pulse.stopping:
        handled = 0
        for shard_id, records in shards.batches(pulse.beat):
            journal_insights.handler({"Records": [_event(shard_id, record) for record in records]}, None)
            handled += len(records)
        pulse.rest(0 if handled else IDLE_SECONDS)


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


@dataclass
class Call:
    """A handler that is called every so often, and when the next call is due, in the process's own seconds."""

    function: str
    handler: Callable[[dict[str, Any], None], object]
    every_s: float
    due: float

    def make(self, pulse: Pulse) -> None:
        """It may take as long as in AWS. One that has to wait is made again soon, and holds up no other."""

        def work() -> None:
            pulse.beat(FUNCTIONS[self.function].seconds)
            self.handler({}, None)

        done = pulse.attempt(self.function, work)
        self.due = time.monotonic() + (self.every_s if done else min(self.every_s, RETRY_SECONDS))


def schedule(calls: Sequence[Call], pulse: Pulse) -> None:
    """Each business day's midnight as soon as it has come, late if we were not running; and what is periodic."""
    db, clock = database(), clock_for(settings().clock_file)
    while not pulse.stopping:
        pulse.beat()
        with db.read() as session:
            today = local_date(clock.now(), service.program(session).zone)
            last = nightly.last_day(session)
        if last is None or last < today:
            pulse.beat(FUNCTIONS["nightly-rewards"].seconds)
            log.info("nightly calculation", **nightly_rewards.handler({"date": today.isoformat()}, None))
        for call in calls:
            if time.monotonic() >= call.due:
                call.make(pulse)
        pulse.rest(IDLE_SECONDS)


def periodic(chosen: Settings) -> list[Call]:
    """A digest at once, since the last one may be days old; the rest when its time has passed."""
    now = time.monotonic()
    calls = [
        Call("digest-anchor", digest_anchor.handler, chosen.digest_every_s, now),
        Call("journal-export", journal_export.handler, chosen.export_every_s, now + chosen.export_every_s),
        Call("hourly-insights", hourly_insights.handler, chosen.insights_every_s, now + chosen.insights_every_s),
    ]
    if chosen.warehouse_url:
        every = chosen.warehouse_every_s
        calls.append(Call("warehouse-load", warehouse_load.handler, every, now + every))
    return calls
