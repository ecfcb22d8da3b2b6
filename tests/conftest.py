"""Real PostgreSQL for everyone: one server a run, one database a test, copied from a migrated template."""

import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn
from uuid import UUID

import boto3
import psycopg
import pytest
import structlog
from fastapi.testclient import TestClient
from httpx2 import Response
from moto.server import ThreadedMotoServer

from app import cli, problems
from app.db import Database
from app.local import keys, postgres
from app.local.keys import Keys
from app.main import create_app
from app.migrations import upgrade
from app.settings import Settings
from app.signing import Role, Signer
from tests.shop import Shop

Headers = dict[str, str]
Until = Callable[[Callable[[], object]], None]
Token = Callable[[Role, UUID], Headers]
Run = Callable[..., tuple[int, str, str]]
Fresh = Callable[[str], AbstractContextManager[str]]

NOWHERE = "postgresql://127.0.0.1:1/none"
SHARED_SERVER = "REWARDS_TEST_SERVER"
_NUMBERS = itertools.count()


@dataclass
class SettableClock:
    """Stands still until a test moves it."""

    instant: datetime

    def now(self) -> datetime:
        return self.instant

    def advance(self, **by: float) -> None:
        self.instant += timedelta(**by)


@dataclass(frozen=True)
class Shared:
    """A server that runs already, with the template in it: `make mutate` begins thousands of sessions."""

    address: str

    def url(self, database: str) -> str:
        return f"{self.address}/{database}"


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Server | Shared]:
    if address := os.environ.get(SHARED_SERVER):
        yield Shared(address)
        return
    folder = Path(tempfile.mkdtemp(prefix="rewards-test-"))
    try:
        with postgres.start(folder / "postgres", durable=False) as running:
            make_template(running)
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_template(running: postgres.Server) -> None:
    """The database that each test's is a copy of."""
    running.create_database("template")
    upgrade(running.url("template"))


@pytest.fixture(scope="session")
def issuer_keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return keys.make(tmp_path_factory.mktemp("issuer"))


@pytest.fixture
def fresh(server: postgres.Server | Shared) -> Fresh:
    """Makes a database as a copy of another, by its name; it is gone after the block."""

    @contextmanager
    def copied(template: str) -> Iterator[str]:
        name = f"test_{os.getpid()}_{next(_NUMBERS)}"
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
            yield server.url(name)
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    return copied


@pytest.fixture
def database_url(fresh: Fresh) -> Iterator[str]:
    with fresh("template") as url:
        yield url


@pytest.fixture
def settings(database_url: str, issuer_keys: Keys) -> Settings:
    return Settings(
        database_url=database_url,
        pool_size=8,
        anonymous_writes_a_minute=10_000,
        issuers=issuer_keys.issuers(),
        signing_key=issuer_keys.private,
    )


@pytest.fixture
def db(settings: Settings) -> Iterator[Database]:
    opened = Database.open(settings)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def cloud_address() -> Iterator[str]:
    """Of a Kinesis, S3, KMS and Secrets Manager of this run's own."""
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture(scope="session")
def cloud(cloud_address: str) -> Iterator[Callable[[str], Any]]:
    """Makes its clients."""
    made: list[Any] = []

    def client(service: str) -> Any:
        made.append(
            boto3.client(
                service,  # type: ignore[call-overload]  # named at run time
                endpoint_url=cloud_address,
                region_name="us-east-1",
                aws_access_key_id="local",
                aws_secret_access_key="local",  # noqa: S106  moto takes any
            )
        )
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def in_the_cloud(cloud_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes clients of its own meets the same cloud."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud_address)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))


@pytest.fixture
def shop(db: Database, clock: SettableClock) -> Shop:
    return Shop(db, clock)


@pytest.fixture
def until() -> Until:
    """Waits for something to become true, and fails when it does not within a minute."""

    def wait(happened: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not happened():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)

    return wait


@pytest.fixture
def no_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """For answers to errors that nobody expected: drawing their traces takes seconds."""
    monkeypatch.setattr(problems, "log", structlog.wrap_logger(None, processors=[_drop]))


def _drop(*_: object) -> NoReturn:
    raise structlog.DropEvent


@pytest.fixture
def client(settings: Settings, clock: SettableClock) -> Iterator[TestClient]:
    with TestClient(create_app(settings, clock), raise_server_exceptions=False) as running:
        yield running


@pytest.fixture(scope="session")
def signers(issuer_keys: Keys) -> dict[Role, Signer]:
    """Of the issuer that may give each role."""
    people = issuer_keys.signer(Role.MEMBER)
    return {**dict.fromkeys(Role, people), Role.VENDOR: issuer_keys.signer(Role.VENDOR)}


@pytest.fixture
def token(signers: dict[Role, Signer]) -> Token:
    """The headers of a caller."""
    return lambda role, subject: {"Authorization": f"Bearer {signers[role].token(subject, role, time.time())}"}


@pytest.fixture
def caller(client: TestClient, token: Token) -> Callable[[Role, UUID], "Caller"]:
    return lambda role, subject: Caller(client, token(role, subject))


@dataclass(frozen=True)
class Caller:
    """Speaks to the API as one person; every POST has an Idempotency-Key of its own unless the test names one."""

    client: TestClient
    headers: Headers

    def get(self, path: str, **query: Any) -> Response:
        return self.client.get(path, params=query, headers=self.headers)

    def post(self, path: str, body: object, key: str | None = None) -> Response:
        headers = {**self.headers, "Idempotency-Key": key or f"key-{next(_NUMBERS)}"}
        return self.client.post(path, json=body, headers=headers)

    def patch(self, path: str, body: object) -> Response:
        return self.client.patch(path, json=body, headers=self.headers)

    def put(self, path: str, body: object) -> Response:
        return self.client.put(path, json=body, headers=self.headers)

    def delete(self, path: str) -> Response:
        return self.client.delete(path, headers=self.headers)


@pytest.fixture
def alone(issuer_keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in this process: exit code, what it printed, and its complaint. There is no database."""
    monkeypatch.setenv("REWARDS_DATABASE_URL", NOWHERE)
    monkeypatch.setenv("REWARDS_CLOCK_FILE", str(tmp_path / "clock"))
    monkeypatch.setenv("REWARDS_SIGNING_KEY", str(issuer_keys.private))
    monkeypatch.setenv("REWARDS_PEOPLE_KEY", str(issuer_keys.people))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["rewards", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed, complaint = capfd.readouterr()
        return int(ended.value.code or 0), printed, complaint

    return command


@pytest.fixture
def run(alone: Run, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """As `alone`, with the database of the test."""
    monkeypatch.setenv("REWARDS_DATABASE_URL", database_url)
    return alone


def refused(answer: tuple[int, str, str]) -> str:
    """The one line, of a command that was refused."""
    code, printed, complaint = answer
    assert (code, printed) == (2, "")
    assert complaint.startswith("rewards: ")
    assert complaint.count("\n") == 1
    return complaint
