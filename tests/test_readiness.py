"""Tests of the readiness check: it is right and fast, even under load, and failing it doesn't restart the process."""

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from threading import Event, Thread
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from app import readiness
from app.main import create_app
from app.migrations import head
from app.settings import Settings
from tests.conftest import NOWHERE, Until

PROMPT_S = 4.5
"""What a probe may take on a busy machine: kubelet waits five seconds."""


@contextmanager
def serving(settings: Settings, **changed: Any) -> Iterator[TestClient]:
    app = create_app(settings.model_copy(update=changed))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def ready(client: TestClient) -> tuple[int, str]:
    """Call the readiness check, and return the status with the schema's revision or the error's detail."""
    begun = time.monotonic()
    answer, live = client.get("/health/ready"), client.get("/health/live")
    assert time.monotonic() - begun < PROMPT_S
    assert live.status_code == 200, "nobody restarts a process for what it can't help"
    if answer.status_code == 200:
        return 200, answer.json()["schema_version"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) >= 1
    return answer.status_code, answer.json()["detail"]


def becomes(client: TestClient, status: int) -> Callable[[], bool]:
    return lambda: ready(client)[0] == status


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE alembic_version SET version_num = '0001'", "the schema is at 0001"),
        ("UPDATE alembic_version SET version_num = '0000_of_a_branch'", "the schema is at 0000_of_a_branch"),
        ("DELETE FROM alembic_version", "the schema is at nothing"),
        ("DROP TABLE alembic_version", "the database has no schema yet"),
        ("ALTER TABLE alembic_version RENAME version_num TO number", "the database does not answer"),
    ],
)
def test_a_schema_that_is_not_there_yet_is_not_ready(
    settings: Settings, server: Any, database_url: str, change: str, says: str
) -> None:
    with psycopg.connect(owners(server, database_url), autocommit=True) as owner:
        owner.execute(change)
    with serving(settings) as client:
        status, detail = ready(client)
        assert status == 503
        assert detail.startswith(says)


@pytest.mark.parametrize("revision", [head(), "9999", f"{int(head()) + 1:04}"])
def test_the_schema_that_is_needed_or_a_newer_one_is_ready(
    settings: Settings, server: Any, database_url: str, revision: str
) -> None:
    """After a rollback, old code runs on a newer schema."""
    with psycopg.connect(owners(server, database_url), autocommit=True) as owner:
        owner.execute("UPDATE alembic_version SET version_num = %s", (revision,))
    with serving(settings) as client:
        assert ready(client) == (200, revision)


def owners(server: Any, database_url: str) -> str:
    url: str = server.url(database_url.rsplit("/", 1)[1])
    return url


def test_a_read_only_database_is_not_ready_until_it_is_back(
    settings: Settings, server: Any, database_url: str, until: Until
) -> None:
    name = database_url.rsplit("/", 1)[1]
    with serving(settings) as client, psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        assert ready(client) == (200, head())
        for change, status in (("SET default_transaction_read_only = on", 503), ("RESET ALL", 200)):
            admin.execute(f'ALTER DATABASE "{name}" {change}')
            disconnect_all(admin, name)
            until(becomes(client, status))


def disconnect_all(admin: psycopg.Connection[Any], database: str) -> None:
    admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        (database,),
    )


def test_a_database_that_is_away_is_not_ready_and_ready_when_it_is_back(
    settings: Settings, server: Any, database_url: str, until: Until
) -> None:
    name = database_url.rsplit("/", 1)[1]
    with serving(settings) as client, psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        assert ready(client) == (200, head())
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        disconnect_all(admin, name)
        until(becomes(client, 503))
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        until(becomes(client, 200))


@pytest.mark.parametrize("lost", ["database_url", "database_read_url"])
@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_a_writer_or_a_reader_that_can_not_be_reached_is_not_ready(settings: Settings, lost: str, how: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nobody = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/none" if how == "is silent" else NOWHERE
        with serving(settings, **{"database_read_url": settings.database_url, lost: nobody}) as client:
            for _ in range(3):
                assert ready(client)[0] == 503


def test_a_pool_without_a_free_connection_is_not_ready(settings: Settings, until: Until) -> None:
    with serving(settings, pool_size=2) as client:
        assert ready(client)[0] == 200
        db = client.app.state.db  # type: ignore[attr-defined]
        with ExitStack() as held:
            for _ in range(2):
                held.enter_context(db.write())
            until(becomes(client, 503))
            assert ready(client)[1].startswith("no connection to the database could be had")
        until(becomes(client, 200))


def test_readiness_waits_for_no_requests(settings: Settings) -> None:
    """All threads for requests are occupied, and further requests wait for one."""
    go_on = Event()
    with serving(settings, pool_size=2) as client, ThreadPoolExecutor(8) as callers:

        @client.app.get("/slow")  # type: ignore[attr-defined,untyped-decorator]
        def slow() -> None:
            go_on.wait(60)

        try:
            waiting = [callers.submit(client.get, "/slow") for _ in range(8)]
            for _ in range(5):
                assert ready(client) == (200, head())
        finally:
            go_on.set()
        assert {future.result().status_code for future in waiting} == {200}


class NoThread(Thread):
    def start(self) -> None:
        raise RuntimeError("can't start new thread")


def test_a_look_that_could_not_begin_is_not_the_last(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    with serving(settings) as client:
        with monkeypatch.context() as full:
            full.setattr(readiness, "Thread", NoThread)
            assert ready(client) == (503, "this process can't look at the database: can't start new thread")
        until(becomes(client, 200))


def test_a_look_that_does_not_end_is_given_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setattr(readiness, "LOST_AFTER_S", readiness.PATIENCE_S)
    go_on, looks, seen = Event(), list[float](), readiness._seen

    def first_hangs(*arguments: Any) -> readiness.Look:
        looks.append(time.monotonic())
        if len(looks) == 1:
            go_on.wait(120)
        return seen(*arguments)

    monkeypatch.setattr(readiness, "_seen", first_hangs)
    with serving(settings) as client:
        try:
            assert ready(client)[0] == 503
            until(becomes(client, 200))
        finally:
            go_on.set()


def test_many_probes_are_one_look(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, seen = [], readiness._seen

    def counting(*arguments: Any) -> readiness.Look:
        looks.append(time.monotonic())
        return seen(*arguments)

    monkeypatch.setattr(readiness, "_seen", counting)
    with serving(settings) as client, ThreadPoolExecutor(8) as probes:

        def probe(_: int) -> Response:
            return client.get("/health/ready")

        assert {answer.status_code for answer in probes.map(probe, range(100))} == {200}
    assert all(later - sooner >= readiness.CACHED_S for sooner, later in pairwise(looks))
