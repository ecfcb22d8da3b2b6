"""Tests of the ledger's worker process during outages: slow or refusing Kinesis, lost database, missing rights.

The process runs under the sealer's login; a proxy stops or refuses its connections to Kinesis and PostgreSQL.
"""

import http.client
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from app import ledger, logins
from app.clock import SystemClock
from app.db import Session, WriteSession
from app.lags import Lag, Part, read
from app.local.preflight import free_port
from app.settings import Settings
from tests.conftest import Login, Superuser, Until
from tests.ledger.conftest import Append
from tests.ledger.crashing import received


class Door:
    """A TCP proxy for a server. After `stall`, it holds back all bytes until `open` is called."""

    def __init__(self, server: str, port: int = 0) -> None:
        at = urlsplit(server)
        self._server, self._stalled, self._closed = (at.hostname or "", at.port or 80), False, False
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listening.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        self._stalled = True

    def open(self) -> None:
        self._stalled = False

    def close(self) -> None:
        self._closed = True
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server, suppress(OSError):
            other = {client: server, server: client}
            while not self._closed:
                readable, _, _ = select.select([client, server], [], [], 0.1)
                for side in [] if self._stalled else readable:
                    if not (data := side.recv(65_536)):
                        return
                    other[side].sendall(data)


Doors = Callable[..., Door]


@pytest.fixture
def doors() -> Iterator[Doors]:
    """Return a function that starts a TCP proxy for a server; all proxies are closed at the end."""
    opened: list[Door] = []

    def door(server: str, port: int = 0) -> Door:
        opened.append(Door(server, port))
        return opened[-1]

    yield door
    for opened_door in opened:
        opened_door.close()


@dataclass
class Worker:
    """The ledger's worker process, started as in a pod: configured by environment variables only."""

    environment: dict[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.ledger.worker"],
                env=os.environ | self.environment | {"REWARDS_VITALS_PORT": str(self.port)},
                stdout=out,
                stderr=out,
            )

    def ended(self) -> int | None:
        assert self.process
        return self.process.poll()

    def end(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def says(self, path: str) -> int:
        """Return the status code of the worker's HTTP answer, or 0 if there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def lines(self, event: str) -> list[dict[str, Any]]:
        entries = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in entries if line["event"].startswith(event)]


@dataclass
class Outage:
    """The ledger's worker process, and the proxies in front of Kinesis and PostgreSQL that a test can stop."""

    worker: Worker
    kinesis: Door
    postgres: Door
    settings: Settings

    def lag(self, part: Part) -> Lag:
        with psycopg.connect(self.settings.database_url) as connection:  # not of a pool: the test ends connections too
            lags = read(Session(connection), self.settings, SystemClock())
        return next(lag for lag in lags if lag.part is part)

    def is_caught_up(self) -> bool:
        return not (self.lag(Part.SEALING).revisions or self.lag(Part.PUBLISHING).revisions)


@pytest.fixture
def outage(
    settings: Settings,
    login: Login,
    cloud: Callable[[str], Any],
    doors: Doors,
    tmp_path: Path,
) -> Iterator[Outage]:
    kinesis, stream = cloud("kinesis"), f"stream-{uuid4()}"
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    to_kinesis, to_postgres = doors(kinesis.meta.endpoint_url), doors(login(logins.SEALING))
    worker = Worker(
        {
            "REWARDS_DATABASE_URL": re.sub(r":\d+/", f":{to_postgres.port}/", login(logins.SEALING)),
            "REWARDS_STREAM_NAME": stream,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{to_kinesis.port}",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "us-east-1",
        },
        tmp_path / "worker.log",
    )
    yield Outage(worker, to_kinesis, to_postgres, settings.model_copy(update={"stream_name": stream}))
    worker.end()


@pytest.mark.slow
def test_while_kinesis_does_not_answer_sealing_goes_on_the_lag_is_told_and_it_catches_up(
    outage: Outage, append: Append, until: Until
) -> None:
    # Trial 25
    worker = outage.worker
    worker.start()
    append("before")
    until(outage.is_caught_up)
    until(lambda: worker.says("/health/ready") == 200)
    outage.kinesis.stall()
    append("meanwhile")
    until(lambda: outage.lag(Part.PUBLISHING).revisions == 1)
    until(lambda: worker.lines("waiting: AWS does not answer"))
    until(lambda: outage.lag(Part.PUBLISHING).seconds > 15)  # several calls have waited in vain by then
    assert outage.lag(Part.SEALING).revisions == 0
    assert (worker.ended(), worker.says("/health/live")) == (None, 200)
    outage.kinesis.open()
    until(outage.is_caught_up)
    until(lambda: worker.lines("back:"))
    assert len(worker.lines("waiting: AWS does not answer")) == 1


@pytest.mark.slow
def test_while_kinesis_refuses_connections_it_waits_with_one_line(
    outage: Outage, append: Append, until: Until, doors: Doors
) -> None:
    worker, port = outage.worker, free_port()
    kinesis = worker.environment["AWS_ENDPOINT_URL"]
    worker.environment["AWS_ENDPOINT_URL_KINESIS"] = f"http://127.0.0.1:{port}"
    worker.start()
    append("one")
    until(lambda: worker.lines("waiting: AWS does not answer"))
    until(lambda: outage.lag(Part.PUBLISHING).seconds > 5)
    until(lambda: worker.says("/health/live") == 200)
    assert len(worker.lines("waiting: AWS does not answer")) == 1
    doors(kinesis, port)  # it is there again
    until(outage.is_caught_up)


@pytest.mark.slow
def test_a_sealer_that_begins_while_s3_is_away_waits_for_the_digests_and_then_seals(
    outage: Outage, append: Append, until: Until, doors: Doors
) -> None:
    worker, port = outage.worker, free_port()
    s3 = worker.environment["AWS_ENDPOINT_URL"]
    worker.environment["AWS_ENDPOINT_URL_S3"] = f"http://127.0.0.1:{port}"
    worker.start()
    append("one")
    until(lambda: worker.lines("waiting: AWS does not answer"))
    assert outage.lag(Part.SEALING).revisions == 1
    doors(s3, port)
    until(outage.is_caught_up)
    assert worker.ended() is None


@pytest.mark.slow
def test_a_database_that_takes_connections_and_never_answers_is_met_by_another_process(
    outage: Outage, append: Append, until: Until
) -> None:
    """If a query never returns, the liveness check fails or the process ends, 10 s after the limit at the latest."""
    worker = outage.worker
    worker.environment |= {"REWARDS_SEAL_LIMIT_S": "3"}
    worker.start()
    append("one")
    until(outage.is_caught_up)
    began = time.monotonic()
    outage.postgres.stall()
    until(lambda: worker.ended() is not None or worker.says("/health/live") == 503)
    assert time.monotonic() - began < 3 + 10
    until(lambda: worker.ended() == 1)
    assert "stood still" in worker.log.read_text().splitlines()[-1]
    append("two")
    worker.start()  # as whoever supervises it does, though the database is still away: it waits for it
    until(lambda: worker.lines("waiting: the database does not answer"))
    assert worker.ended() is None
    outage.postgres.open()
    until(outage.is_caught_up)


@pytest.mark.slow
def test_a_database_that_is_lost_and_read_only_meanwhile_is_waited_for_with_a_line_a_change(
    outage: Outage, append: Append, until: Until, read_only: Callable[[], Any]
) -> None:
    worker = outage.worker
    worker.start()
    append("before")
    until(outage.is_caught_up)
    with read_only():
        with psycopg.connect(outage.settings.database_url, options="-c default_transaction_read_only=off") as early:
            ledger.append(WriteSession(early), "orders", "early", {})  # a transaction that began before
        until(lambda: worker.lines("waiting: the database is read-only"))
        until(lambda: outage.lag(Part.SEALING).seconds > 5)  # it tries again and again
        assert (worker.ended(), worker.says("/health/live"), worker.says("/health/ready")) == (None, 200, 503)
    until(outage.is_caught_up)
    until(lambda: worker.says("/health/ready") == 200)
    waits = [(line["loop"], line["event"]) for line in worker.lines("waiting")]
    assert len(waits) < 15, waits  # of three loops and a stream, not of dozens of tries


@pytest.mark.slow
def test_a_right_that_is_missing_ends_the_process_and_is_named(
    outage: Outage, append: Append, until: Until, superuser: Superuser
) -> None:
    """A regression: the publisher of a re-created stream hung without a message when it lacked a database right."""
    # Trial 29
    append("one")
    superuser.execute("REVOKE SELECT ON journal_streams FROM rewards_sealer")
    outage.worker.start()
    until(lambda: outage.worker.ended() is not None)
    assert outage.worker.ended() == 1
    last = outage.worker.log.read_text().splitlines()[-1]
    assert "InsufficientPrivilege: permission denied for table journal_streams" in last
    superuser.execute("GRANT SELECT ON journal_streams TO rewards_sealer")
    outage.worker.start()
    until(outage.is_caught_up)


@pytest.mark.slow
def test_asked_to_end_it_ends_well_within_what_a_pod_is_given(outage: Outage, append: Append, until: Until) -> None:
    outage.worker.start()
    append("one")
    until(outage.is_caught_up)
    assert outage.worker.process
    outage.worker.process.send_signal(signal.SIGTERM)
    assert outage.worker.process.wait(30) == 0


@pytest.mark.slow
def test_a_stream_made_anew_while_nothing_is_sold_gets_what_its_consumer_lacks(
    outage: Outage, append: Append, until: Until, cloud: Callable[[str], Any]
) -> None:
    """Kinesis returns no error for a re-created stream; the worker notices it by the stream's creation time."""
    kinesis, stream = cloud("kinesis"), outage.settings.stream_name
    outage.worker.start()
    append("one", "two")
    until(outage.is_caught_up)
    kinesis.delete_stream(StreamName=stream)
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    until(lambda: _revisions(kinesis, stream) >= {"one", "two"})


def _revisions(kinesis: Any, stream: str) -> set[str]:
    messages = [json.loads(record.data) for records in received(kinesis, stream).values() for record in records]
    return {
        message["payload"]["revision"]["metadata"]["id"]
        for message in messages
        if message["recordType"] == "REVISION_DETAILS"
    }
