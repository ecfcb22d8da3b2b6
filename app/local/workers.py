"""The workers on one machine: the ledger's worker, the stream's consumer and the scheduler.

The consumer and the scheduler replace Lambda's event source and EventBridge: they call the Lambda handlers.
"""

import base64
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

import structlog

from app import aws, logs, tracing, vitals
from app.clock import Clock, clock_for, local_date
from app.db import JOBS, Database
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
from app.local.last_done import LastDone, last_done
from app.local.shards import Shards
from app.loops import Loop, Pulse, growing_wait
from app.night import service as nightly
from app.processes import FUNCTIONS
from app.program import service as programs
from app.settings import Settings, settings

if TYPE_CHECKING:
    from mypy_boto3_kinesis.type_defs import RecordTypeDef

log = structlog.get_logger()

IDLE_SECONDS = 0.5
RETRY_SECONDS = 5.0
BATCH_S = max(FUNCTIONS["journal-insights"].seconds, JOBS.lock_s + 10)
"""Seconds that a batch may take; longer than its lock timeout, as `rewards stream redrive` may hold the lock."""


def run(name: str, stop: Event) -> None:
    """Run the worker of this name until `stop` is set. Raises LoopDied if its loop fails; the process must end then."""
    chosen = settings()
    logs.configure(chosen.log_level)
    telemetry = tracing.start(f"rewards-{name}")
    match name:
        case "sealer":
            worker.run(chosen, stop)
        case "stream":
            vitals.run([Loop("consuming", consume, chosen.consume_limit_s)], chosen, stop)
        case "scheduler":
            vitals.run([Loop("scheduling", partial(scheduling, chosen), chosen.schedule_limit_s)], chosen, stop)
        case _:
            raise ValueError(f"there is no worker {name}")
    tracing.close(telemetry)


def consume(pulse: Pulse) -> None:
    """Read the stream's shards in turn, and pass batches of records to the Lambda handler, until stopped."""
    shards = Shards(aws.client("kinesis", tries=1), settings().stream_name)
    while not pulse.stopping:
        handled = 0
        for shard_id, records in shards.batches(pulse.beat):
            pulse.beat(BATCH_S)
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
    """A Lambda handler that the scheduler calls every `every_s` seconds, next when `time.monotonic` reaches `due`.

    `event` returns the event to call the handler with; if it returns None, the handler is not called this time.
    """

    function: str
    handler: Callable[[dict[str, Any], None], object]
    every_s: float
    due: float
    event: Callable[[], dict[str, Any] | None] = dict
    failures: int = 0

    def make(self, pulse: Pulse) -> None:
        """Call the Lambda handler, and set the time of the next call: sooner than usual after a transient fault."""

        def work() -> None:
            if (event := self.event()) is not None:
                pulse.beat(FUNCTIONS[self.function].seconds)
                self.handler(event, None)

        if pulse.attempt(self.function, work):
            self.failures, wait = 0, self.every_s
        else:
            wait = growing_wait(self.failures, RETRY_SECONDS, max(RETRY_SECONDS, self.every_s))
            self.failures += 1
        self.due = time.monotonic() + wait


def scheduling(chosen: Settings, pulse: Pulse) -> None:
    """Run the scheduler: the nightly calculation at the beginning of each business day, and the periodic calls."""
    db, clock = database(), clock_for(chosen.clock_file)
    with db.read() as session:
        periodic_calls = periodic(chosen, last_done(session), clock.now())
    schedule([night(db, clock), *periodic_calls], pulse)


def schedule(calls: Sequence[Call], pulse: Pulse) -> None:
    """Make each call at its time, until stopped. A call's permanent error is raised after the other calls are made."""
    while not pulse.stopping:
        deaths: list[Exception] = []
        for call in calls:
            if time.monotonic() >= call.due:
                try:
                    call.make(pulse)
                except Exception as error:
                    log.error("a call died", function=call.function, error=" ".join(str(error).split()))
                    deaths.append(error)
        if deaths:
            raise deaths[0]
        pulse.rest(IDLE_SECONDS)


def night(db: Database, clock: Clock) -> Call:
    """Return the scheduler's call that runs the nightly calculation, once for each business day."""

    def event() -> dict[str, Any] | None:
        with db.read() as session:
            today = local_date(clock.now(), programs.program(session).zone)
            last = nightly.last_day(session)
        return {"date": today.isoformat()} if last is None or last < today else None

    return Call("nightly-rewards", _calculate, 0.0, 0.0, event)


def _calculate(event: dict[str, Any], context: None) -> None:
    log.info("nightly calculation", **nightly_rewards.handler(event, context))


def periodic(chosen: Settings, last: LastDone, now: datetime) -> list[Call]:
    """Return the periodic calls. digest-anchor is due at once, each other call one period after its last completion."""

    def call(
        function: str, handler: Callable[[dict[str, Any], None], object], every_s: float, at: datetime | None
    ) -> Call:
        waited = (now - at).total_seconds() if at else every_s
        return Call(function, handler, every_s, time.monotonic() + min(every_s, max(0.0, every_s - waited)))

    calls = [
        call("digest-anchor", digest_anchor.handler, chosen.digest_every_s, None),
        call("journal-export", journal_export.handler, chosen.export_every_s, last.exported),
        call("hourly-insights", hourly_insights.handler, chosen.insights_every_s, last.learned),
    ]
    if chosen.warehouse_url:
        calls.append(call("warehouse-load", warehouse_load.handler, chosen.warehouse_every_s, last.loaded))
    return calls
