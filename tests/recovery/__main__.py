"""`make restore`: lose the database of a year of shopping, restore it, and measure what is lost and how long it takes.

Restores PostgreSQL twice from a base backup and its archived log: to the end of the archive, after the server was
killed (RPO), and to a moment before the last week of shopping, while stream, digests, exports and warehouse have that
week (RTO). Then the ledger is recovered, the week is loaded again, and everything must agree. Exit code 1 if not.
"""

import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import psycopg
from moto.server import ThreadedMotoServer
from rich.console import Console
from rich.table import Table

from app import logins
from app.clock import FixedClock
from app.db import JOBS, Database
from app.insights.stream import consumer
from app.insights.stream.models import Record
from app.ledger import verification
from app.local import journey, keys, postgres, replay, running
from app.local.journey import Journey
from app.local.shards import Shards
from app.offers import redemption
from app.settings import Settings
from tests.conftest import ADMIN, make_template
from tests.recovery.parts import Platform
from tests.recovery.server import Archived, Moment, archived

NAME = "drill"
ARCHIVE_TIMEOUT_S = 10
REDEEMERS, REDEEMED = 25, 100
_AWS = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


@dataclass
class Drill:
    """The drill's platform, its stream's reader, which a restore does not take back, and its figures by name."""

    machine: Archived
    platform: Platform
    shards: Shards
    console: Console
    figures: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        with self.console.status(f"{name} …"):
            yield
        self.figures[name] = f"{time.monotonic() - begun:,.1f} s"

    def must(self, what: str, holds: bool) -> None:
        self.figures[what] = "yes" if holds else "NO"
        if not holds:
            self.failures.append(what)

    def shop(self, platform: Platform, weeks: int, source: Journey) -> None:
        with _owner(platform) as db:
            replay.load(db, weeks, Console(quiet=True), source)

    def pass_on(self, platform: Platform) -> None:
        """Seal, publish, consume what the reader has not read, anchor, export and load the warehouse."""
        platform.seal()
        platform.publish()
        with platform.opened(logins.CONSUMING) as db:
            while batches := list(self.shards.batches()):
                for shard, records in batches:
                    batch = [Record(record["SequenceNumber"], record["Data"]) for record in records]
                    with db.write() as session:
                        consumer.apply(session, consumer.CONSUMER, shard, batch)
        for name in ("digest-anchor", "journal-export", "warehouse-load"):
            platform.function(name)


@contextmanager
def _owner(platform: Platform) -> Iterator[Database]:
    db = Database.open(Settings(database_url=platform.url), JOBS)
    try:
        yield db
    finally:
        db.close()


def _rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(sql.encode()).fetchall()


def points(platform: Platform) -> dict[str, int]:
    return {
        str(member): held for member, held in _rows(platform.url, "SELECT member_id, pending + available FROM wallets")
    }


def newest_commit(platform: Platform) -> datetime:
    """Return when the newest revision of the journal was committed."""
    sql = "SELECT pg_xact_commit_timestamp(xmin) FROM journal_revisions ORDER BY tx_id DESC LIMIT 1"
    at: datetime = _rows(platform.url, sql)[0][0]
    return at


def revisions(platform: Platform) -> int:
    return int(_rows(platform.url, "SELECT count(*) FROM journal_revisions")[0][0])


def redeem(platform: Platform, members: int) -> None:
    """Let members spend points: what is lost has redemptions too."""
    sql = f"SELECT member_id FROM wallets WHERE available >= {REDEEMED} ORDER BY member_id LIMIT {members}"
    with _owner(platform) as db:
        at = FixedClock(_rows(platform.url, "SELECT max(placed_at) FROM orders")[0][0])
        for (member_id,) in _rows(platform.url, sql):
            with db.write() as session:
                redemption.cash_back(session, member_id, REDEEMED, at)


def kill(machine: Archived) -> None:
    """End the server at once, as when its machine is lost: what it has not archived yet is gone."""
    server = running.postmaster(machine.server.postgres.data)
    assert server
    server.send_signal(signal.SIGQUIT)
    machine.server.guard.wait()


def play(drill: Drill, weeks: int, source: Journey) -> None:
    machine, platform = drill.machine, drill.platform
    backed_up = max(1, weeks // 2)
    with drill.timed(f"load {backed_up} of {weeks} weeks, and pass them on"):
        drill.shop(platform, backed_up, source)
        drill.pass_on(platform)
    with drill.timed("take the base backup"):
        machine.back_up()
    with drill.timed(f"load up to week {weeks - 1}, and pass it on"):
        drill.shop(platform, weeks - 1, source)
        drill.pass_on(platform)
    moment = Moment(newest_commit(platform))
    with drill.timed("load the last week, redeem points, and pass it on"):
        drill.shop(platform, weeks, source)
        redeem(platform, REDEEMERS)
        drill.pass_on(platform)
    before = points(platform)
    redeem(platform, 1)  # which is in no block when the server is killed
    committed = revisions(platform)
    archived_at = max(path.stat().st_mtime for path in machine.wal.iterdir())
    drill.figures["RPO: age of the archive's newest file when the server was killed"] = (
        f"{time.time() - archived_at:,.1f} s"
    )
    kill(machine)
    with drill.timed("restore to the end of the archive"), machine.restored("end", None) as server:
        kept = revisions(platform.on(server.url("rewards")))
    drill.figures["revisions that were committed, and are in no archived file"] = f"{committed - kept:,}"
    begun = time.monotonic()
    with ExitStack() as stack:
        with drill.timed("restore to the moment before the last week"):
            server = stack.enter_context(machine.restored("moment", moment))
        recover(drill, platform.on(server.url("rewards")), before, begun)
        again(drill, platform.on(server.url("rewards")), weeks, source)


def recover(drill: Drill, restored: Platform, before: dict[str, int], begun: float) -> None:
    with drill.timed("verify, name what is missing, open the strand"):
        code, report, printed = restored.command("ledger", "recover", "--by", "make restore", "--reason", "a drill")
    assert code == 0, printed
    drill.figures["RTO: from the loss to a ledger that goes on"] = f"{time.monotonic() - begun:,.1f} s"
    summary, strands = report[0], [line for line in report if "proven" in line]
    drill.figures["revisions that were lost, each named"] = f"{summary['missing']:,}"
    drill.figures["of these orders"] = f"{summary['documents'].get('orders', 0):,}"
    drill.figures["revisions that nothing has any more"] = f"{summary['unnamed']:,}"
    named = {line["member"]: line["points"] for line in report if "earned" in line}
    held = points(restored)
    lost = {member: more for member in before if (more := before[member] - held.get(member, 0))}
    drill.figures["members who lost points or got some back"] = f"{len(lost):,}"
    drill.figures["points that were lost, in all"] = f"{sum(lost.values()):,}"
    drill.must(
        "each anchored revision is named, and proven by its digest", all(s["proven"] for s in strands) and bool(strands)
    )
    drill.must("each member's lost points are as the books say", {m: p for m, p in named.items() if p} == lost)


def again(drill: Drill, restored: Platform, weeks: int, source: Journey) -> None:
    with drill.timed("load the lost week again, and pass it on: stream, counts, digest, exports, warehouse"):
        drill.shop(restored, weeks, source)
        drill.pass_on(restored)
    sold = "SELECT product_id::text, sum(units)::bigint FROM {} GROUP BY 1 ORDER BY 1"
    ours = _rows(restored.url, sold.format("order_lines"))
    drill.must("sales counts agree with the orders", _rows(restored.url, sold.format("hourly_sales")) == ours)
    loaded = _rows(restored.environment["REWARDS_WAREHOUSE_URL"], sold.format("warehouse.fact_sales"))
    drill.must("the warehouse agrees with the orders", loaded == ours)
    with restored.opened(logins.SERVICES) as db, db.snapshot() as session:
        drill.must("the ledger verifies", verification.verify(session).fault is None)
    drill.must("nothing is missing any more", restored.command("ledger", "missing")[0] == 0)


def main(weeks: int) -> int:
    console, folder = Console(), Path(tempfile.mkdtemp(prefix="rewards-restore-drill-"))
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # without this each request would be logged
    host, port = moto.get_host_and_port()
    try:
        with patch.dict(os.environ, {**_AWS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}), ExitStack() as stack:
            drill = _prepared(stack, folder, console)
            play(drill, weeks, journey.read())
    finally:
        moto.stop()
        shutil.rmtree(folder, ignore_errors=True)
    table = Table("", "", title=f"A restore, on {weeks} weeks of shopping", title_justify="left", show_header=False)
    table.columns[1].justify = "right"
    for name, figure in drill.figures.items():
        table.add_row(name, figure)
    console.print(table)
    return 1 if drill.failures else 0


def _prepared(stack: ExitStack, folder: Path, console: Console) -> Drill:
    kinesis, s3 = boto3.client("kinesis"), boto3.client("s3")
    kinesis.create_stream(StreamName=NAME, ShardCount=2)
    s3.create_bucket(Bucket=NAME, ObjectLockEnabledForBucket=True)
    machine = stack.enter_context(archived(durable=True, timeout_s=ARCHIVE_TIMEOUT_S))
    make_template(machine.server)
    with psycopg.connect(machine.server.url("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE rewards OWNER {ADMIN} TEMPLATE template")
    elsewhere = stack.enter_context(postgres.start(folder / "warehouse", durable=False))
    elsewhere.create_database("warehouse")
    environment = {
        "REWARDS_STREAM_NAME": NAME,
        "REWARDS_ARCHIVE_BUCKET": NAME,
        "REWARDS_DIGEST_KEY": str(keys.make(folder).digests),
        "REWARDS_WAREHOUSE_URL": elsewhere.url("warehouse"),
    }
    return Drill(machine, Platform(machine.server.url("rewards"), environment), Shards(kinesis, NAME), console)


if __name__ == "__main__":
    weeks_named = sys.argv[1] if len(sys.argv) > 1 else "53"
    if not (weeks_named.isascii() and weeks_named.isdecimal() and 2 <= int(weeks_named) <= 53):
        sys.stderr.write(f"restore: WEEKS must be 2 to 53, not {weeks_named!r}\n")
        sys.exit(2)
    sys.exit(main(int(weeks_named)))
