"""The process that seals committed revisions, publishes sealed blocks and reports lags, beside the API.

`python -m app.ledger.worker` runs until SIGTERM. Any number of these processes may run: one of them seals and one
publishes. Each of the two holds an advisory lock on a connection; when this connection ends, another process takes
over.
"""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

from psycopg import Connection

from app import aws, lags, locks, logs, tracing, vitals
from app.clock import Clock, clock_for
from app.db import Database, WriteSession
from app.faults import holding_up_one, passing
from app.iam_login import address
from app.lags import Part
from app.ledger import anchors, cursors, repository, sealer
from app.ledger.anchors import Anchors
from app.ledger.cursors import Stream
from app.ledger.stream import Publisher
from app.loops import Loop, Pulse, growing_wait, or_end_the_process
from app.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

IDLE_SECONDS = 0.5
REPORT_SECONDS = 60.0
STATEMENT_SECONDS = 6  # together with the wait for a connection below the loops' limits
Connect = Callable[[], Connection[Any]]
# Alarms in the cloud program read these out of the log.
LAG_METRICS = {
    Part.SEALING: "SealLagSeconds",
    Part.PUBLISHING: "PublishLagSeconds",
    Part.CONSUMING: "ConsumeLagSeconds",
    Part.NIGHT: "NightAgeSeconds",
    Part.DIGESTS: "DigestAgeSeconds",
}


def run(settings: Settings, stop: Event) -> None:
    """Seal, publish and report until `stop`. Raises LoopDied for a permanent error; the process must then end."""
    # Reads from the writer only: a replica that lags behind would add to the reported lags.
    own = settings.model_copy(
        update={
            "database_read_url": None,
            "pool_size": 2,
            "database_statement_timeout_s": min(settings.database_statement_timeout_s, STATEMENT_SECONDS),
        }
    )
    db = Database.open(own)
    vitals.run(loops(own, db), own, stop)
    db.close()  # after a loop died its threads still use the pool; the process ends anyway


def loops(settings: Settings, db: Database) -> list[Loop]:
    clock = clock_for(settings.clock_file)

    def connect() -> Connection[Any]:
        return sealer.connect(address(settings.database_url, iam=settings.database_iam))

    every = timedelta(milliseconds=settings.seal_every_ms)
    return [
        Loop("sealing", partial(sealer.run, connect, clock, every, check=not_ahead(settings)), settings.seal_limit_s),
        Loop("publishing", partial(publish, connect, db, settings.stream_name), settings.publish_limit_s),
        Loop("reporting", partial(report, db, settings, clock), settings.report_limit_s),
    ]


def not_ahead(settings: Settings) -> sealer.Check:
    """Return the sealer's check that no anchored digest is ahead of the ledger, as after a restore of the database."""
    s3 = aws.client("s3")

    def check(session: WriteSession, tree_size: int) -> None:
        anchors.refuse_ahead(session, Anchors.of(settings, s3, repository.ledger_id(session)), tree_size)

    return check


def publish(connect: Connect, db: Database, usual: str, pulse: Pulse) -> None:
    """Wait for the publishing lock, then send blocks to all streams until stopped.

    First registers the stream named `usual`, from which sales are counted, if it is missing.
    """
    pulse.beat(sealer.CONNECT_S)
    with connect() as connection:
        pulse.beat()
        while not repository.lock_if_free(WriteSession(connection), locks.PUBLISHING):
            connection.commit()
            if not pulse.rest(IDLE_SECONDS):
                return
        with db.write() as session:
            cursors.add(session, Stream(usual, usual, None, None))
        publishers = _Publishers(db, aws.client("kinesis", tries=1), usual)
        while not pulse.stopping:
            connection.execute("SELECT")  # raises if the connection, and the lock with it, is lost
            connection.commit()
            sent = sum(publishers.send(stream.name, pulse) for stream in _open(db))
            pulse.rest(0 if sent else IDLE_SECONDS)


def _open(db: Database) -> list[Stream]:
    with db.read() as session:
        return [stream for stream in cursors.streams(session) if not stream.completed]


@dataclass
class _StreamState:
    """A stream's publisher (None after a failure), its failures in a row, and the monotonic time of its next try."""

    publisher: Publisher | None = None
    failures: int = 0
    due: float = 0.0


@dataclass
class _Publishers:
    """The publishers of all streams. A Kinesis stream that is missing or denies access does not delay the others.

    If Kinesis permanently refuses the `usual` stream, the process ends: the platform can't work without that stream.
    """

    db: Database
    kinesis: "KinesisClient"
    usual: str
    _states: dict[str, _StreamState] = field(default_factory=dict)

    def send(self, name: str, pulse: Pulse) -> int:
        """Publish a stream's next records, or none while it waits after a failure; return how many were sent."""
        state, sent = self._states.setdefault(name, _StreamState()), 0
        if time.monotonic() < state.due:
            return 0

        def publish() -> None:
            nonlocal sent
            state.publisher = state.publisher or Publisher(self.db, self.kinesis, name)
            sent = state.publisher.publish(pulse.stop, pulse)

        if pulse.attempt(name, publish, passing if name == self.usual else holding_up_one):
            state.failures = 0
        else:
            state.publisher = None  # the Kinesis stream may be created again
            state.due = time.monotonic() + growing_wait(state.failures)
            state.failures += 1
        return sent


def report(db: Database, settings: Settings, clock: Clock, pulse: Pulse) -> None:
    """Log every 60 s how many seconds each part of the platform lags behind; every worker process does this."""
    while not pulse.stopping:
        with db.snapshot() as session:
            behind = lags.read(session, settings, clock)
        logs.figures("lags", **{LAG_METRICS[lag.part]: lag.seconds for lag in behind})
        pulse.rest(REPORT_SECONDS)


def main() -> None:
    settings, stop = Settings.load(), Event()
    logs.configure(settings.log_level)
    telemetry = tracing.start("rewards-sealer")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    or_end_the_process(lambda: run(settings, stop))
    tracing.close(telemetry)


if __name__ == "__main__":
    main()
