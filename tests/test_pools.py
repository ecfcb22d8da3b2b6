"""Tests of connection pools: every wait is limited, and requests succeed as soon as the server is back."""

import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg import errors as postgres_errors
from psycopg_pool import PoolTimeout

from app.db import JOBS, Database, Session, of_requests
from app.local import postgres
from app.pools import KEEPALIVES
from app.settings import Settings
from app.signing import Role
from tests.conftest import Until
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
PROBES = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
THREADS = 6


def limits(session: Session) -> list[int]:
    """Return the session's timeouts in seconds; 0 means none."""
    settings = dict(session.rows("SELECT name, setting::int / 1000 FROM pg_settings WHERE name LIKE '%timeout'"))
    return [settings[name] for name in LIMITS]


def all_at_once(db: Database) -> list[object]:
    """Send queries from many threads, and return the result (1) or the error of each."""

    def once(number: int) -> object:
        try:
            with db.write() if number % 2 else db.read() as session:
                return session.value("SELECT 1")
        except psycopg.Error as lost:
            return lost

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(once, range(4 * THREADS)))


@pytest.fixture
def quick(settings: Settings) -> Settings:
    """Settings with the shortest allowed timeouts."""
    return settings.model_copy(
        update={
            "pool_size": THREADS,
            "database_statement_timeout_s": 2,
            "database_lock_timeout_s": 1,
            "database_idle_timeout_s": 1,
            "database_pool_timeout_s": 1.0,
        }
    )


def test_every_connection_of_requests_and_of_jobs_has_limits(settings: Settings) -> None:
    for waits in (of_requests(settings), JOBS):
        db = Database.open(settings, waits)
        with db.write() as session:
            assert limits(session) == [waits.statement_s, waits.lock_s, waits.idle_s]
            probes = dict(session.rows("SELECT name, setting::int FROM pg_settings WHERE name LIKE 'tcp_keep%'"))
            assert {name.replace("tcp_", ""): probes[name] for name in PROBES}.items() <= KEEPALIVES.items()
            parameters = session.connection.info.get_parameters()
        with db.read() as session:
            assert limits(session) == [waits.statement_s, waits.lock_s, waits.idle_s]
        db.close()
        assert {name: parameters[name] for name in KEEPALIVES} == {n: str(value) for n, value in KEEPALIVES.items()}
        assert parameters["connect_timeout"] == str(waits.connect_s)
    shorter = vars(of_requests(settings))
    assert all(seconds > shorter[name] for name, seconds in vars(JOBS).items())


def test_a_request_waits_less_than_its_client() -> None:
    """A request's database timeouts add up to less than the load balancer's timeout of 60 s."""
    waits = of_requests(Settings(database_url="postgresql://nowhere.invalid/none"))
    assert waits.pool_s + waits.statement_s + waits.lock_s < 30


def runs(shop: Shop, backend: int) -> bool:
    with shop.db.read() as session:
        return bool(session.rows("SELECT FROM pg_stat_activity WHERE pid = %s", (backend,)))


def test_a_statement_a_lock_and_an_idle_transaction_are_cut(quick: Settings, shop: Shop, until: Until) -> None:
    product = shop.product()
    lock = "SELECT FROM products WHERE product_id = %s FOR UPDATE"
    db = Database.open(quick)
    with pytest.raises(postgres_errors.QueryCanceled), db.read() as session:
        session.value("SELECT pg_sleep(20)")
    with shop.db.write() as holder:
        holder.rows(lock, (product,))
        with pytest.raises(postgres_errors.LockNotAvailable), db.write() as session:
            session.rows(lock, (product,))
    with pytest.raises(psycopg.Error), db.snapshot() as idle:
        idle.value("SELECT 1")
        backend = idle.connection.info.backend_pid
        until(lambda: not runs(shop, backend))
        idle.value("SELECT 1")
    assert all_at_once(db) == [1] * 4 * THREADS
    db.close()


def test_a_request_that_waits_too_long_for_a_lock_is_told_to_come_again(
    quick: Settings, shop: Shop, client: TestClient, caller: Calls
) -> None:
    product, state = shop.product(), client.app.state  # type: ignore[attr-defined]
    vendor = seller_of(shop, product)
    state.db = db = Database.open(quick)
    try:
        with shop.db.write() as holder:
            holder.rows("SELECT FROM vendors WHERE vendor_id = %s FOR UPDATE", (vendor,))
            answer = caller(Role.VENDOR, vendor).patch(f"/products/{product}", {"price_minor": 777})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert "nothing was changed" in answer.json()["detail"]
        assert caller(Role.VENDOR, vendor).patch(f"/products/{product}", {"price_minor": 777}).status_code == 200
    finally:
        db.close()


def seller_of(shop: Shop, product_id: UUID) -> UUID:
    with shop.db.read() as session:
        vendor_id: UUID = session.value("SELECT vendor_id FROM products WHERE product_id = %s", (product_id,))
        return vendor_id


def test_connections_that_the_server_closed_are_not_handed_out(quick: Settings, database_url: str) -> None:
    db = Database.open(quick)
    assert all_at_once(db) == [1] * 4 * THREADS
    with psycopg.connect(database_url, autocommit=True) as admin:
        for _ in range(2):
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                "AND datname = current_database() AND application_name = 'rewards'"
            )
            assert all_at_once(db) == [1] * 4 * THREADS
    db.close()


@pytest.fixture
def own_server() -> Iterator[postgres.Postgres]:
    """A PostgreSQL server that the test may stop and start."""
    folder = Path(tempfile.mkdtemp(prefix="rewards-test-"))
    try:
        yield postgres.prepare(folder / "postgres", log=folder / "log")
    finally:
        postgres.remove(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


def test_a_restarted_server_costs_nothing_once_it_is_back(
    own_server: postgres.Postgres, quick: Settings, until: Until
) -> None:
    def started() -> postgres.Server:
        server = postgres.Server(own_server, own_server.launch())
        until(own_server.ready)
        return server

    with started():
        db = Database.open(quick.model_copy(update={"database_url": own_server.url("postgres")}))
        assert all_at_once(db) == [1] * 4 * THREADS
    with started():
        assert all_at_once(db) == [1] * 4 * THREADS, "asked at once after a short restart"
    away = all_at_once(db)
    assert all(isinstance(outcome, psycopg.OperationalError) for outcome in away)
    with started():
        until(lambda: all_at_once(db) == [1] * 4 * THREADS)
        db.close()


def test_a_server_that_takes_connections_and_says_nothing_holds_nobody_for_long(quick: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://rewards@127.0.0.1:{silent.getsockname()[1]}/none"
        db = Database.open(quick.model_copy(update={"database_url": url}))
        begun = time.monotonic()
        with pytest.raises(PoolTimeout), db.read():
            pass
        first = time.monotonic() - begun
        outcomes = all_at_once(db)
        assert all(isinstance(outcome, PoolTimeout) for outcome in outcomes)
        assert time.monotonic() - begun - first < 4 * first, "those who come after the first hardly wait"
        db.close()


def test_a_writer_that_became_a_reader_is_left_for_the_new_writer(quick: Settings) -> None:
    """A connection that became read-only, as in a failover, is replaced by a connection to the new writer."""
    db = Database.open(quick.model_copy(update={"pool_size": 1}))
    with db.write() as session:
        old = session.value("SELECT pg_backend_pid()")
        session.run("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
    with pytest.raises(postgres_errors.ReadOnlySqlTransaction), db.write() as session:
        session.run("DELETE FROM idempotency_keys")
    with db.write() as session:
        session.run("DELETE FROM idempotency_keys")
        assert session.value("SELECT pg_backend_pid()") != old
    db.close()


def test_a_read_only_database_is_read_and_answers_writes_with_503_until_it_is_back(
    quick: Settings, superuser_url: str, shop: Shop, client: TestClient, caller: Calls, until: Until
) -> None:
    product, state = shop.product(), client.app.state  # type: ignore[attr-defined]
    api = caller(Role.VENDOR, seller_of(shop, product))
    state.db = db = Database.open(quick.model_copy(update={"pool_size": 1}))
    assert api.patch(f"/products/{product}", {"price_minor": 500}).status_code == 200
    name = superuser_url.rsplit("/", 1)[1]
    with psycopg.connect(superuser_url, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        with db.write() as session:  # what the server does to those who are connected when it becomes a reader
            session.run("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        for _ in range(3):
            answer = api.patch(f"/products/{product}", {"price_minor": 600})
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert client.get(f"/products/{product}").json()["price_minor"] == 500
        admin.execute("SET default_transaction_read_only = off")
        admin.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    until(lambda: api.patch(f"/products/{product}", {"price_minor": 600}).status_code == 200)
    db.close()


@pytest.mark.parametrize(("method", "says"), [("GET", "nothing was changed"), ("POST", "is not known")])
def test_what_is_lost_under_way_is_not_called_undone(client: TestClient, method: str, says: str) -> None:
    """If a connection is lost during a write, it is unknown whether the write was committed."""

    @client.app.api_route("/lost", methods=["GET", "POST"])  # type: ignore[attr-defined,untyped-decorator]
    def lost() -> None:
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    answer = client.request(method, "/lost")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert says in answer.json()["detail"]
