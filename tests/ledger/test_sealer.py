"""Tests of the sealer: every committed revision is sealed once, and changes to sealed blocks are found."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.errors import ReadOnlySqlTransaction

from app import ledger, locks, logins
from app.clock import Clock, FixedClock, SystemClock
from app.db import Database, WriteSession
from app.ledger import repository, sealer, sealing_repository, service, verification, worker
from app.loops import Loop, Pulse, Runner
from app.settings import Settings
from tests.conftest import Login, Seal, SettableClock, Superuser


def append(db: Database, *documents: str) -> None:
    with db.write() as session:
        for document in documents:
            ledger.append(session, "orders", document, {"of": document})


SOON = timedelta(milliseconds=10)


def seal_until(stop: Event, connect: Callable[[], Connection[Any]], clock: Clock, every: timedelta) -> None:
    Runner([Loop("sealing", partial(sealer.run, connect, clock, every), 8)], stop).run()


@pytest.fixture
def running_sealer(login: Login) -> Iterator[None]:
    stop = Event()
    thread = Thread(target=seal_until, args=(stop, lambda: sealer.connect(login(logins.SEALING)), SystemClock(), SOON))
    thread.start()
    yield
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_block_times_never_go_back_whether_the_leader_stays_or_changes(
    db: Database, sealing: Database, login: Login
) -> None:
    """First the leading sealer's clock steps back by minutes, then a sealer with a slow clock takes over."""
    # Trial 33
    clock, stop = SettableClock(datetime(2026, 3, 2, 12, 0, tzinfo=UTC)), Event()

    def connect() -> psycopg.Connection[Any]:
        return sealer.connect(login(logins.SEALING))

    def blocks() -> int:
        with db.read() as session:
            return service.status(session).blocks

    def wait_for(many: int) -> None:
        deadline = time.monotonic() + 60
        while blocks() < many:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    leader = Thread(target=seal_until, args=(stop, connect, clock, SOON))
    leader.start()
    try:
        for number, minutes in enumerate((0, 10, -5, 1), start=1):
            clock.advance(minutes=minutes)
            append(db, f"o-{number}")
            wait_for(number)
    finally:
        stop.set()
        leader.join(10)
    append(db, "by a slow leader")
    with sealing.write() as session:
        sealer.seal(session, FixedClock(clock.instant - timedelta(minutes=2)))
    with db.snapshot() as snapshot:
        times = [service.block(snapshot, sequence).sealed_at.astimezone(UTC) for sequence in range(5)]
        assert verification.verify(snapshot).fault is None
    assert [f"{at:%H:%M}" for at in times] == ["12:00", "12:10", "12:10", "12:10", "12:10"]


def test_an_open_transaction_holds_back_only_what_may_come_before_it(
    db: Database, settings: Settings, seal: Seal
) -> None:
    append(db, "first")
    with psycopg.connect(settings.database_url) as slow:
        ledger.append(WriteSession(slow), "orders", "slow", {})
        append(db, "fast")
        assert seal() == 1
        assert seal() == 0
        slow.commit()
    assert seal() == 2


def test_a_sealer_that_polls_by_id_would_lose_what_ours_finds(db: Database, settings: Settings, seal: Seal) -> None:
    with psycopg.connect(settings.database_url) as slow:
        ledger.append(WriteSession(slow), "orders", "slow", {})
        append(db, "fast")
        with db.read() as session:
            seen_by_id = session.value("SELECT max(revision_id) FROM journal_revisions")
        slow.commit()
    with db.read() as session:
        missed = session.value("SELECT count(*) FROM journal_revisions WHERE revision_id < %s", (seen_by_id,))
    assert missed == 1
    assert seal() == 2


@pytest.mark.usefixtures("running_sealer")
def test_every_revision_of_out_of_order_writers_is_sealed_once(db: Database, settings: Settings) -> None:
    """32 writers take ids early and commit late; a reader that polls by id misses some revisions, the sealer none."""
    # Trial 7
    naive: set[int] = set()
    stop = Event()

    def poll() -> None:
        last = 0
        with psycopg.connect(settings.database_url, autocommit=True) as reader:
            while not stop.wait(0.002):
                rows = reader.execute("SELECT revision_id FROM journal_revisions WHERE revision_id > %s", (last,))
                naive.update(row[0] for row in rows)
                last = max(naive, default=0)

    def write(seed: int) -> None:
        dice = random.Random(seed)
        with psycopg.connect(settings.database_url) as connection:
            for number in range(10):
                ledger.append(WriteSession(connection), "orders", f"{seed}-{number}", {})
                connection.execute("SELECT pg_sleep(%s)", (dice.random() / 50 if dice.random() < 0.5 else 0,))
                connection.rollback() if dice.random() < 0.1 else connection.commit()

    poller = Thread(target=poll)
    writers = [Thread(target=write, args=(seed,)) for seed in range(32)]
    for thread in [poller, *writers]:
        thread.start()
    for writer in writers:
        writer.join()
    with db.read() as session:
        committed = session.value("SELECT count(*) FROM journal_revisions")
        for _ in range(500):
            if service.status(session).sealed == committed:
                break
            Event().wait(0.01)
        assert service.status(session).sealed == committed
    stop.set()
    poller.join()
    assert len(naive) < committed
    with db.snapshot() as session:
        verdict = verification.verify(session)
    assert (verdict.fault, verdict.revisions) == (None, committed)


@pytest.mark.usefixtures("running_sealer")
def test_a_standby_takes_over_when_the_leader_is_gone(db: Database, superuser: Superuser) -> None:
    append(db, "a")
    with db.read() as session:
        for _ in range(500):
            if service.status(session).sealed:
                break
            Event().wait(0.01)
    superuser.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s",
        (locks.SEALING,),
    )
    append(db, "b")
    with db.read() as session:
        for _ in range(500):
            if service.status(session).sealed == 2:
                break
            Event().wait(0.01)
        assert service.status(session).sealed == 2


@pytest.mark.parametrize("lead", ["sealing", "publishing"])
def test_nobody_leads_on_a_server_that_takes_no_writes(
    lead: str, settings: Settings, login: Login, db: Database
) -> None:
    """A read-only server refuses the lock, because another process may hold the same lock on the writing server."""

    def connect() -> Connection[Any]:
        connection = sealer.connect(login(logins.SEALING))
        connection.execute("SET default_transaction_read_only = on")
        connection.commit()
        return connection

    pulse = Pulse(lead, 60, Event())
    with pytest.raises(ReadOnlySqlTransaction):
        if lead == "sealing":
            sealer.run(connect, SystemClock(), timedelta(seconds=1), pulse)
        else:
            worker.publish(connect, db, settings.stream_name, pulse)
    with sealer.connect(login(logins.SEALING)) as writer:
        assert repository.lock_if_free(WriteSession(writer), locks.SEALING)
        assert repository.lock_if_free(WriteSession(writer), locks.PUBLISHING)


def test_each_step_of_a_turn_is_a_sign_of_life_and_slow_ones_are_announced(
    db: Database, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    stop = Event()

    class RecordedPulse(Pulse):
        def beat(self, within_s: float | None = None) -> None:
            steps.append(f"beat {within_s:.0f}" if within_s else "beat")
            super().beat(within_s)

        def rest(self, seconds: float) -> bool:
            stop.set()
            return super().rest(seconds)

    def noted(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def noting(*given: Any) -> Any:
            steps.append(name)
            return real(*given)

        monkeypatch.setattr(owner, name, noting)

    noted(sealing_repository, "open_epoch")
    for name in ("last_block", "insert_block"):
        noted(repository, name)
    append(db, "one")

    def connect() -> Connection[Any]:
        steps.append("connect")
        return sealer.connect(login(logins.SEALING))

    sealer.run(connect, SystemClock(), timedelta(seconds=1), RecordedPulse("sealing", 8, stop))
    sequence = [step for number, step in enumerate(steps) if step != steps[number - 1]]
    assert sequence[:4] == ["beat 30", "connect", "beat", "beat 30"]
    assert sequence[4:9] == ["open_epoch", "last_block", "beat", "insert_block", "beat"]


def test_versions_count_a_documents_revisions_over_blocks(db: Database, seal: Seal) -> None:
    append(db, "a", "b", "a")
    seal()
    append(db, "a")
    seal()
    with db.read() as session:
        assert [entry.version for entry in service.history(session, "orders", "a")] == [0, 1, 2]
        assert [entry.block for entry in service.history(session, "orders", "a")] == [0, 0, 1]


def tampered(db: Database, superuser: Superuser, statement: str) -> str:
    superuser.execute("SET session_replication_role = replica")  # a superuser can switch the triggers off
    superuser.execute(statement.encode())
    with db.snapshot() as session:
        return verification.verify(session).fault or ""


FLIP = "set_byte({0}, {1}, get_byte({0}, {1}) # 1)"
HEADER = "block 1: its header was changed"


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE journal_revisions SET data = '{\"of\":\"x\"}' WHERE document_id = 'c'", "block 1: revision 2"),
        ("UPDATE journal_revisions SET data = '{\"of\": \"c\"}' WHERE document_id = 'c'", "block 1: revision 2"),
        (
            f"UPDATE journal_revisions SET salt = {FLIP.format('salt', 3)} WHERE document_id = 'd'",
            "block 1: revision 3",
        ),
        ("UPDATE journal_revisions SET document_id = 'z' WHERE document_id = 'c'", "block 1: revision 2"),
        ("UPDATE journal_revisions SET table_name = 'order' WHERE document_id = 'c'", "block 1: revision 2"),
        (
            "UPDATE journal_revisions SET table_name = 'ordersc', document_id = '' WHERE document_id = 'c'",
            "block 1: revision 2",
        ),
        (
            "UPDATE journal_revisions SET tx_time = tx_time - interval '1 us' WHERE document_id = 'd'",
            "block 1: revision 3",
        ),
        ("UPDATE journal_revisions SET tx_id = tx_id + 1 WHERE document_id = 'a'", "block 0: revision"),
        (
            "UPDATE journal_revisions SET data = NULL, salt = NULL, data_hash = sha256('x') WHERE document_id = 'c'",
            "block 1: revision 2",
        ),
        (
            "UPDATE journal_revisions r SET document_id = o.document_id, salt = o.salt, data = o.data "
            "FROM journal_revisions o WHERE (r.document_id, o.document_id) IN (('a', 'b'), ('b', 'a'))",
            "block 0: revision 0",
        ),
        (
            f"UPDATE journal_blocks SET versions = {FLIP.format('versions', 7)} WHERE sequence = 0",
            "block 0: revision 1",
        ),
        (f"UPDATE journal_blocks SET nodes = {FLIP.format('nodes', 0)} WHERE sequence = 1", "block 1: revision 2"),
        (f"UPDATE journal_blocks SET nodes = {FLIP.format('nodes', 70)} WHERE sequence = 1", "block 1: the nodes"),
        ("DELETE FROM journal_revisions WHERE document_id = 'd'", "block 1: revisions are missing"),
        ("DELETE FROM journal_revisions WHERE document_id = 'a'", "block 0: revisions are missing"),
        (
            "INSERT INTO journal_revisions (tx_id, table_name, document_id, salt, data) "
            "SELECT tx_id, table_name, 'e', salt, data FROM journal_revisions WHERE document_id = 'c'",
            "block 1: revisions are added",
        ),
        ("DELETE FROM journal_blocks WHERE sequence = 1", "block 1 is missing"),
        (f"UPDATE journal_blocks SET root = {FLIP.format('root', 0)} WHERE sequence = 1", HEADER),
        ("UPDATE journal_blocks SET sealed_at = sealed_at + interval '1 us' WHERE sequence = 1", HEADER),
        (f"UPDATE journal_blocks SET hash = {FLIP.format('hash', 31)} WHERE sequence = 1", HEADER),
        (
            f"UPDATE journal_blocks SET previous_hash = {FLIP.format('previous_hash', 9)} WHERE sequence = 1",
            "block 1 is not",
        ),
        ("UPDATE journal_blocks SET tx_before = tx_before - 1 WHERE sequence = 0", "block 1 is not chained"),
        ("UPDATE journal_ledger SET ledger_id = gen_random_uuid()", "block 0 is not chained"),
    ],
)
def test_verify_names_the_block_and_revision_that_was_changed(
    db: Database, superuser: Superuser, seal: Seal, statement: str, named: str
) -> None:
    append(db, "a", "b")
    seal()
    append(db, "c", "d")
    seal()
    append(db, "e")
    seal()
    assert tampered(db, superuser, "SELECT 1") == ""
    assert tampered(db, superuser, statement).startswith(named)
