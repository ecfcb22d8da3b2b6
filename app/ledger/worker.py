"""What keeps the ledger, beside the API: it seals what was committed and sends what was sealed.

`python -m app.ledger.worker` runs until SIGTERM. Any number may run: of each task one leads, by an advisory lock held
on a connection of its own, and another takes over as soon as that connection is gone.
"""

import signal
from collections.abc import Callable
from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import boto3
import structlog
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import Connection, OperationalError
from psycopg_pool import PoolTimeout

from app import logs
from app.clock import clock_for
from app.db import JOBS, Database, WriteSession
from app.iam_login import address
from app.ledger import cursors, repository, sealer, service
from app.ledger.cursors import Stream
from app.ledger.stream import Publisher
from app.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

log = structlog.get_logger()

PUBLISHING = 7_231_003
IDLE_SECONDS = 0.5
LOST_SECONDS = 2.0
REPORT_SECONDS = 60.0
Connect = Callable[[], Connection[Any]]
SEAL_LAG = "SealLagSeconds"  # an alarm in the cloud program reads it out of the log


def run(settings: Settings, stop: Event) -> None:
    """Seal, publish and report until `stop`."""
    clock = clock_for(settings.clock_file)
    url = settings.sealer_database_url or settings.database_url
    db = Database.open(settings.model_copy(update={"database_url": url, "pool_size": 2}), JOBS)

    def connect() -> Connection[Any]:
        return sealer.connect(address(url, iam=settings.database_iam))

    tasks: list[Callable[[], None]] = [
        lambda: sealer.run(connect, clock, timedelta(milliseconds=settings.seal_every_ms), stop),
        lambda: again_and_again(lambda: publish(connect, db, settings.stream_name, stop), stop),
        lambda: again_and_again(lambda: _report(db, stop), stop),
    ]
    threads = [Thread(target=task) for task in tasks]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        db.close()


def again_and_again(work: Callable[[], None], stop: Event) -> None:
    """A lost database or stream is waited for."""
    while not stop.is_set():
        try:
            work()
        except (BotoCoreError, ClientError, OperationalError, PoolTimeout) as lost:
            log.warning("waiting for a lost part", error=str(lost).strip())
            stop.wait(LOST_SECONDS)


def publish(connect: Connect, db: Database, usual: str, stop: Event) -> None:
    """Lead or stand by: send the blocks of every stream, the usual one and those that were started beside it."""
    kinesis = boto3.client("kinesis")
    with connect() as connection:
        while not repository.try_lead(WriteSession(connection), PUBLISHING):
            connection.commit()
            if stop.wait(IDLE_SECONDS):
                return
        with db.write() as session:
            cursors.add(session, Stream(usual, usual, None, None))
        publishers: dict[str, Publisher] = {}
        while not stop.is_set():
            connection.execute("SELECT")  # raises where the lock is gone with its connection
            connection.commit()
            if not sum(_send(stream, publishers, db, kinesis, stop) for stream in _open(db)):
                stop.wait(IDLE_SECONDS)


def _open(db: Database) -> list[Stream]:
    with db.read() as session:
        return [stream for stream in cursors.streams(session) if not stream.completed]


def _send(stream: Stream, publishers: dict[str, Publisher], db: Database, kinesis: "KinesisClient", stop: Event) -> int:
    """How many records went out. A stream whose Kinesis is gone does not keep the others waiting."""
    try:
        if stream.name not in publishers:
            publishers[stream.name] = Publisher(db, kinesis, stream.name)
        return publishers[stream.name].publish(stop)
    except (BotoCoreError, ClientError) as lost:
        publishers.pop(stream.name, None)  # it may be made anew
        log.warning("a stream waits", stream=stream.name, error=str(lost).strip())
        return 0


def _report(db: Database, stop: Event) -> None:
    """Say how long the oldest committed revision has waited, whoever leads."""
    while not stop.is_set():
        with db.snapshot() as session:
            log.info("sealing", **{SEAL_LAG: service.status(session).oldest_unsealed_seconds})
        stop.wait(REPORT_SECONDS)


def main() -> None:
    settings, stop = Settings.load(), Event()
    logs.configure(settings.log_level)
    for wish in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wish, lambda *_: stop.set())
    run(settings, stop)


if __name__ == "__main__":
    main()
