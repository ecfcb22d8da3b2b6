"""Real PostgreSQL for everyone: one server a run, one database a test, copied from a migrated template.

As in AWS: who migrates is no superuser, and each process logs in as `app.logins` says. `db`, `client` and `run`
have the services' login; what needs another asks for it: `sealing`, `redacting`, `opened(login)`, `superuser`.
"""

import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import boto3
import psycopg
import pytest
import structlog
from fastapi.testclient import TestClient
from httpx2 import Response
from moto.server import ThreadedMotoServer
from psycopg.sql import SQL, Identifier, Literal

from app import cli, functions, logins, problems
from app.clock import SystemClock
from app.db import Database
from app.ledger import sealer
from app.local import keys, postgres
from app.local.keys import Keys
from app.logins import LOGINS
from app.main import create_app
from app.migrations import upgrade
from app.processes import FUNCTIONS
from app.settings import Settings
from app.settings import settings as read_settings
from app.signing import Role, Signer
from stacks.migration.logins import make as make_logins
from tests.shop import Shop

Headers = dict[str, str]
Until = Callable[[Callable[[], object]], None]
Token = Callable[[Role, UUID], Headers]
Run = Callable[..., tuple[int, str, str]]
Handled = Callable[..., Any]
ReadOnly = Callable[[], AbstractContextManager[None]]
Fresh = Callable[[str], AbstractContextManager[str]]
Login = Callable[[str], str]
Opened = Callable[[str], Database]
Seal = Callable[[], int]
Superuser = psycopg.Connection[tuple[Any, ...]]

NOWHERE = "postgresql://127.0.0.1:1/none"
SHARED_SERVER = "REWARDS_TEST_SERVER"
ADMIN = "rewards_admin"
_NUMBERS = itertools.count()


@dataclass
class SettableClock:
    """A clock that stands still until a test moves it."""

    instant: datetime

    def now(self) -> datetime:
        return self.instant

    def advance(self, **by: float) -> None:
        self.instant += timedelta(**by)


@dataclass(frozen=True)
class Shared:
    """A server that already runs and holds the template; `make mutate` starts thousands of test sessions on it."""

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
    """Creates the logins, and the database that each test copies, as an administrator with the rights of RDS's."""
    with psycopg.connect(running.url("postgres"), autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE {ADMIN} LOGIN CREATEDB CREATEROLE")
        superuser.execute(f"CREATE DATABASE template OWNER {ADMIN}")
        _give_password(superuser, running.url(""), ADMIN)
        admins = logging_in(running.url("template"), ADMIN)
        upgrade(admins)
        with psycopg.connect(admins) as admin:
            make_logins(admin)
        for login in LOGINS:
            _give_password(superuser, running.url(""), login)


def _give_password(superuser: Superuser, address: str, login: str) -> None:
    """Gives the login the superuser's password: all logins of a run share it."""
    superuser.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(login), Literal(urlsplit(address).password)))


def logging_in(superusers: str, login: str) -> str:
    """Turns the superuser's address of a database into the address for one of its logins."""
    at = urlsplit(superusers)
    return urlunsplit(at._replace(netloc=f"{login}:{at.password}@{at.hostname}:{at.port}"))


@pytest.fixture(scope="session")
def issuer_keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return keys.make(tmp_path_factory.mktemp("issuer"))


@pytest.fixture
def fresh(server: postgres.Server | Shared) -> Fresh:
    """Copies a database by name, yields the copy's address for the superuser, and drops it after the block."""

    @contextmanager
    def copied(template: str) -> Iterator[str]:
        name = f"test_{os.getpid()}_{next(_NUMBERS)}"
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} OWNER {ADMIN} TEMPLATE {template} STRATEGY file_copy")
            yield server.url(name)
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    return copied


@pytest.fixture
def superuser_url(fresh: Fresh) -> Iterator[str]:
    """The test database's address for the superuser, for tampering and for what a test does to PostgreSQL itself."""
    with fresh("template") as url:
        yield url


@pytest.fixture
def superuser(superuser_url: str) -> Iterator[Superuser]:
    """A superuser's connection to the test's database that commits each statement."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def read_only(superuser: Superuser) -> ReadOnly:
    """Makes the database read-only for a block, as in a failover: connections are lost when it begins and ends."""
    (name,) = superuser.execute("SELECT current_database()").fetchone() or ("",)

    def turned(how: str) -> None:
        superuser.execute(SQL("ALTER DATABASE {} ").format(Identifier(name)) + SQL(how))
        superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            (name,),
        )

    @contextmanager
    def failover() -> Iterator[None]:
        turned("SET default_transaction_read_only = on")
        try:
            yield
        finally:
            turned("RESET default_transaction_read_only")

    return failover


@pytest.fixture
def login(superuser_url: str) -> Login:
    """Gives the test database's address for a login of `app.logins`, or for the ADMIN who migrates."""
    return partial(logging_in, superuser_url)


@pytest.fixture
def database_url(login: Login) -> str:
    return login(logins.SERVICES)


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
def opened(settings: Settings, login: Login) -> Iterator[Opened]:
    """Opens the test's database as the given login, once per login."""
    with ExitStack() as closing:

        @cache
        def open_as(name: str) -> Database:
            database = Database.open(settings.model_copy(update={"database_url": login(name)}))
            closing.callback(database.close)
            return database

        yield open_as


@pytest.fixture
def db(opened: Opened) -> Database:
    return opened(logins.SERVICES)


@pytest.fixture
def sealing(opened: Opened) -> Database:
    return opened(logins.SEALING)


@pytest.fixture
def redacting(opened: Opened) -> Database:
    """The test's database, opened by the login that may erase and may not append."""
    return opened(logins.ERASING)


@pytest.fixture
def seal(sealing: Database) -> Seal:
    """Seals once and returns the number of revisions that were sealed."""

    def sealed() -> int:
        with sealing.write() as session:
            return sealer.seal(session, SystemClock())

    return sealed


@pytest.fixture(scope="session")
def cloud_address() -> Iterator[str]:
    """Starts a Kinesis, S3, KMS and Secrets Manager for this run and yields their address."""
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture(scope="session")
def cloud(cloud_address: str) -> Iterator[Callable[[str], Any]]:
    """Creates clients of the run's cloud by the service's name, and closes them at the end."""
    clients: list[Any] = []

    def client(service: str) -> Any:
        clients.append(
            boto3.client(
                service,  # type: ignore[call-overload]  # named at run time
                endpoint_url=cloud_address,
                region_name="us-east-1",
                aws_access_key_id="local",
                aws_secret_access_key="local",  # noqa: S106  moto takes any
            )
        )
        return clients[-1]

    yield client
    for boto_client in clients:
        boto_client.close()


@pytest.fixture
def in_the_cloud(cloud_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points AWS clients that the code creates itself to the run's cloud."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud_address)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")


@pytest.fixture
def handled(login: Login, monkeypatch: pytest.MonkeyPatch) -> Handled:
    """Calls a function's handler with an event, as a cold Lambda does: by its name and under its own login."""

    def call(name: str, event: object = None) -> Any:
        function = FUNCTIONS[name]
        module = import_module(function.handler.removesuffix(".handler"))
        with monkeypatch.context() as environment, _cold():
            environment.setenv("REWARDS_DATABASE_URL", login(function.login))
            return module.handler(event or {}, None)

    return call


@contextmanager
def _cold() -> Iterator[None]:
    read_settings.cache_clear()
    functions.database.cache_clear()
    try:
        yield
    finally:
        if functions.database.cache_info().currsize:
            functions.database().close()
        read_settings.cache_clear()
        functions.database.cache_clear()


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(datetime(2026, 3, 2, 15, 0, tzinfo=UTC))


@pytest.fixture
def shop(db: Database, clock: SettableClock, opened: Opened) -> Shop:
    return Shop(db, clock, opened)


@pytest.fixture
def until() -> Until:
    """Waits until a condition holds, and fails if it does not within a minute."""

    def wait(happened: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not happened():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)

    return wait


@pytest.fixture
def no_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drops the log lines of unexpected errors, whose stack traces take seconds to draw."""
    monkeypatch.setattr(problems, "log", structlog.wrap_logger(None, processors=[_drop]))


def _drop(*_: object) -> NoReturn:
    raise structlog.DropEvent


@pytest.fixture
def client(settings: Settings, clock: SettableClock) -> Iterator[TestClient]:
    with TestClient(create_app(settings, clock), raise_server_exceptions=False) as running:
        yield running


@pytest.fixture(scope="session")
def signers(issuer_keys: Keys) -> dict[Role, Signer]:
    """Maps each role to the signer of the issuer that may give it."""
    people = issuer_keys.signer(Role.MEMBER)
    return {**dict.fromkeys(Role, people), Role.VENDOR: issuer_keys.signer(Role.VENDOR)}


@pytest.fixture
def token(signers: dict[Role, Signer]) -> Token:
    """Returns the Authorization header of a caller, given role and subject."""
    return lambda role, subject: {"Authorization": f"Bearer {signers[role].token(subject, role, time.time(), 900)}"}


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
    """Runs the command in this process without a database; returns its exit code, its output and its complaint."""
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
def run(alone: Run, database_url: str, login: Login, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command like `alone`, but with the test's database."""
    monkeypatch.setenv("REWARDS_DATABASE_URL", database_url)
    monkeypatch.setenv("REWARDS_REDACTOR_DATABASE_URL", login(logins.ERASING))
    return alone


def refused(answer: tuple[int, str, str]) -> str:
    """Asserts that a command was refused with exit code 2 and one line, and returns that line."""
    code, printed, complaint = answer
    assert (code, printed) == (2, "")
    assert complaint.startswith("rewards: ")
    assert complaint.count("\n") == 1
    return complaint
