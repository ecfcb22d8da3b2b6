"""Fixtures for all tests: one PostgreSQL server per run, and for each test a copy of a migrated template database.

As in AWS, the migrating user is no superuser, and processes connect with the logins of `app.logins`. `db`, `client` and
`run` use the services' login; the fixtures `sealing`, `redacting`, `opened(login)` and `superuser` use others.
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
import httpx2
import psycopg
import pytest
import structlog
from _pytest.terminal import TerminalReporter
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
Measured = Callable[[str, object], None]
"""record_property, as tests use it: what is recorded as `measured` is printed at the end of the run."""
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
    """A running PostgreSQL server with the template database; `make mutate` runs thousands of test sessions on it."""

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
    """Create the logins, and the template database, as a user with the rights of an RDS administrator."""
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
    superuser.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(login), Literal(urlsplit(address).password)))


def logging_in(superusers: str, login: str) -> str:
    """Return the URL of a database for a login, made from the superuser's URL."""
    at = urlsplit(superusers)
    return urlunsplit(at._replace(netloc=f"{login}:{at.password}@{at.hostname}:{at.port}"))


@pytest.fixture(scope="session")
def issuer_keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return keys.make(tmp_path_factory.mktemp("issuer"))


@pytest.fixture
def fresh(server: postgres.Server | Shared) -> Fresh:
    """Return a context manager that copies a database, yields the copy's superuser URL, and finally drops the copy."""

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
    """The test database's URL for the superuser."""
    with fresh("template") as url:
        yield url


@pytest.fixture
def superuser(superuser_url: str) -> Iterator[Superuser]:
    """A superuser's connection to the test database, in autocommit mode."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def read_only(superuser: Superuser) -> ReadOnly:
    """Return a context manager that makes the database read-only and drops all connections, as a failover does."""
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
    """Return a function that returns the test database's URL for a login of `app.logins` or for the migrating user."""
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
    """Yield a function that opens the test database with a login; repeated calls return the same Database."""
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
    """The test database, opened with the login that may redact the ledger but not append to it."""
    return opened(logins.ERASING)


@pytest.fixture
def seal(sealing: Database) -> Seal:
    """Return a function that seals new ledger revisions into blocks, and returns the number of these revisions."""

    def sealed() -> int:
        with sealing.write() as session:
            return sealer.seal(session, SystemClock())

    return sealed


@pytest.fixture(scope="session")
def _moto() -> Iterator[str]:
    """Start a mock of AWS (moto) for the test run, and yield its URL."""
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture(scope="module")
def cloud_address(_moto: str) -> Iterator[str]:
    """Yield the URL of a mock of AWS with an empty account; what a module leaves there, no other module meets."""
    yield _moto
    httpx2.post(f"{_moto}/moto-api/reset").raise_for_status()


@pytest.fixture(scope="module")
def cloud(cloud_address: str) -> Iterator[Callable[[str], Any]]:
    """Yield a function that returns a boto3 client of the mocked AWS for a service."""
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
    """Direct the boto3 clients that the application creates to the mocked AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud_address)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")


@pytest.fixture
def handled(login: Login, monkeypatch: pytest.MonkeyPatch) -> Handled:
    """Return a function that calls an AWS function's handler as a cold Lambda does, with the function's own login."""

    def call(name: str, event: object = None) -> Any:
        function = FUNCTIONS[name]
        module = import_module(function.handler.removesuffix(".handler"))
        with monkeypatch.context() as environment, cold():
            environment.setenv("REWARDS_DATABASE_URL", login(function.login))
            if function.redactor:
                environment.setenv("REWARDS_REDACTOR_DATABASE_URL", login(function.redactor))
            return module.handler(event or {}, None)

    return call


@contextmanager
def cold() -> Iterator[None]:
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


@pytest.fixture(scope="session")
def until() -> Until:
    """Return a function that waits until a condition is true, and fails after four minutes, before pytest's timeout."""

    def wait(happened: Callable[[], object]) -> None:
        deadline = time.monotonic() + 240
        while not happened():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)

    return wait


@pytest.fixture
def no_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Suppress log lines of unexpected errors, because formatting their stack traces takes seconds."""
    monkeypatch.setattr(problems, "log", structlog.wrap_logger(None, processors=[_drop]))


def _drop(*_: object) -> NoReturn:
    raise structlog.DropEvent


@pytest.fixture
def client(settings: Settings, clock: SettableClock) -> Iterator[TestClient]:
    with TestClient(create_app(settings, clock), raise_server_exceptions=False) as running:
        yield running


@pytest.fixture(scope="session")
def signers(issuer_keys: Keys) -> dict[Role, Signer]:
    """Each role's token signer, that of the issuer which may grant the role."""
    people = issuer_keys.signer(Role.MEMBER)
    return {**dict.fromkeys(Role, people), Role.VENDOR: issuer_keys.signer(Role.VENDOR)}


@pytest.fixture
def token(signers: dict[Role, Signer]) -> Token:
    """Return a function that returns the Authorization header for a role and subject."""
    return lambda role, subject: {"Authorization": f"Bearer {signers[role].token(subject, role, time.time(), 900)}"}


@pytest.fixture
def caller(client: TestClient, token: Token) -> Callable[[Role, UUID], "Caller"]:
    return lambda role, subject: Caller(client, token(role, subject))


@dataclass(frozen=True)
class Caller:
    """Calls the API with one person's token; each POST has a new Idempotency-Key unless the test gives one."""

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
    """Return a function that runs a `rewards` command without a database; it returns exit code, stdout and stderr."""
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
    """Return a function that runs a `rewards` command with the test database; it returns exit code and both outputs."""
    monkeypatch.setenv("REWARDS_DATABASE_URL", database_url)
    monkeypatch.setenv("REWARDS_REDACTOR_DATABASE_URL", login(logins.ERASING))
    return alone


def refused(answer: tuple[int, str, str]) -> str:
    """Assert that a command failed with exit code 2 and one line on stderr, and return that line."""
    code, printed, complaint = answer
    assert (code, printed) == (2, "")
    assert complaint.startswith("rewards: ")
    assert complaint.count("\n") == 1
    return complaint


def table_rows(printed: str) -> list[list[str]]:
    """Return the cells of all rows of the printed tables, each table's header first."""
    rows = [line.replace("┃", "│") for line in printed.splitlines() if line.startswith(("┃", "│"))]
    return [[cell.strip() for cell in row.split("│")[1:-1]] for row in rows]


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the measurements that tests recorded as `measured`; with pytest-xdist, other processes recorded them."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name == "measured":
                terminalreporter.write_line(str(value))
