"""Tests that a process killed between order and insights loses and repeats nothing, and a standby takes over."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from app import logins
from app.db import Database
from app.ledger import service, verification
from tests.conftest import Login, Superuser
from tests.ledger.conftest import Append
from tests.ledger.crashing import POINTS, PRODUCT, STREAM, received

AWS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
LEAD = """
import sys; from datetime import timedelta; from functools import partial; from threading import Event
from app import loops; from app.clock import SystemClock; from app.ledger import sealer
seal = partial(sealer.run, lambda: sealer.connect(sys.argv[1]), SystemClock(), timedelta(milliseconds=20))
loops.Runner([loops.Loop("sealing", seal, 8)], Event()).run()
"""


@pytest.mark.slow
def test_killed_anywhere_the_stream_has_each_revision_and_the_consumer_counts_it_once(
    db: Database, database_url: str, login: Login, cloud: Callable[[str], Any]
) -> None:
    # Trial 6
    kinesis = cloud("kinesis")
    kinesis.create_stream(StreamName=STREAM, ShardCount=2)

    def turn(where: str) -> int:
        arguments = [database_url, login(logins.SEALING), login(logins.CONSUMING), kinesis.meta.endpoint_url, where]
        command = [sys.executable, "-m", "tests.ledger.crashing", *arguments]
        return subprocess.run(command, env=os.environ | AWS, check=False).returncode

    assert [turn(point) for point in POINTS] == [-signal.SIGKILL] * len(POINTS)
    assert turn("nowhere") == 0
    committed = {*POINTS[1:], "nowhere"}  # what was killed before its commit never was
    sent = [json.loads(record.data) for records in received(kinesis).values() for record in records]
    details = [message["payload"] for message in sent if message["recordType"] == "REVISION_DETAILS"]
    assert {detail["revision"]["metadata"]["id"] for detail in details} == committed
    assert len(details) > len(committed)  # what was sent and not marked went again
    with db.snapshot() as session:
        units = session.value("SELECT units FROM hourly_sales WHERE product_id = %s", (PRODUCT,))
        verdict = verification.verify(session)
    assert (units, verdict.fault, verdict.revisions) == (len(committed), None, len(committed))
    kinesis.delete_stream(StreamName=STREAM)


@pytest.mark.alone
@pytest.mark.slow
def test_a_standby_leads_within_two_seconds_of_the_leaders_death(
    db: Database, login: Login, superuser: Superuser, append: Append
) -> None:
    leader = subprocess.Popen([sys.executable, "-c", LEAD, login(logins.SEALING)])
    standby = None
    try:
        append("a")
        sealed(db, 1, 20)
        standby = subprocess.Popen([sys.executable, "-c", LEAD, login(logins.SEALING)])
        while connected(superuser) < 2:
            time.sleep(0.05)
        leader.kill()
        append("b")
        assert sealed(db, 2, 5) < 2
    finally:
        for process in (leader, standby):
            if process:
                process.kill()
                process.wait()


def connected(superuser: Superuser) -> int:
    row = superuser.execute(
        """SELECT count(*) FROM pg_stat_activity
           WHERE application_name = 'rewards-sealer' AND datname = current_database()"""
    ).fetchone()
    return int(row[0]) if row else 0


def sealed(db: Database, revisions: int, most: float) -> float:
    """Wait up to `most` seconds until `revisions` revisions are sealed; return the seconds it took."""
    begun = time.monotonic()
    while time.monotonic() - begun < most:
        with db.read() as session:
            if service.status(session).sealed == revisions:
                break
        time.sleep(0.01)
    return time.monotonic() - begun
