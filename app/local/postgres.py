"""Run a PostgreSQL server on loopback, until the process that started it ends; its data folder stays.

>>> with start(Path("somewhere"), durable=False) as server:
...     server.create_database("rewards")
...     psycopg.connect(server.url())
"""

import errno
import hmac
import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql

from app.errors import Misconfigured
from app.local import binaries, datadir, running
from app.local.account import Account, server_account
from app.local.child import spawn
from app.local.files import lines_since, write_private
from app.local.preflight import free_port, port_trouble

USER = "rewards"

# Long enough to recover 2 GB of write-ahead log on a slow disk.
_READY_S = 300.0
_POLL_S = 0.03

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_error_verbosity": "terse",  # details quote rows, and erasing a member does not change logs
    "logging_collector": "off",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "password_encryption": "scram-sha-256",
}
# File that marks a folder whose data are removed when the server stops.
_THROWAWAY = "throwaway"
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server that can be launched: its data folder, programs, account, port and password."""

    folder: Path
    data: Path
    programs: Path
    account: Account | None
    port: int
    password: str
    log: Path
    durable: bool

    def url(self, database: str = "rewards") -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def launch(self) -> subprocess.Popen[bytes]:
        """Stop an older server, then start this one under a guard process, which stops it when this process ends."""
        with _explained(self.folder):
            running.release(self.data)
            account = [str(self.account.uid), str(self.account.gid)] if self.account else ["", ""]
            return spawn("postgres", str(os.getpid()), *account, *self._command(), log=self.log)

    def ready(self) -> bool:
        """Return true if the server's pid file says it is ready; connecting could reach another program on the port."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def create_database(self, name: str) -> None:
        """Create the database if it does not exist."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def login(self, process: str, *roles: str, database: str = "rewards") -> str:
        """Create a process's database login if missing, grant it the roles, and return its database URL."""
        name = f"rewards_{process}_login"
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            password = self._may_log_in(connection, name)
            for role in roles:
                connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(name)))
        return f"postgresql://{name}:{password}@127.0.0.1:{self.port}/{database}"

    def own_database(self, name: str) -> str:
        """Create a database, and as its owner a login of the same name, if they are missing; return the owner's URL."""
        self.create_database(name)
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            password = self._may_log_in(connection, name)
            connection.execute(
                sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(name), sql.Identifier(name))
            )
        return f"postgresql://{name}:{password}@127.0.0.1:{self.port}/{name}"

    def _may_log_in(self, connection: psycopg.Connection[Any], name: str) -> str:
        """Create the login or reset its password; return the password, derived from the server's own password."""
        password = hmac.digest(self.password.encode(), name.encode(), "sha256").hex()
        exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
        make = "ALTER ROLE {} LOGIN PASSWORD {}" if exists else "CREATE ROLE {} LOGIN PASSWORD {}"
        connection.execute(sql.SQL(make).format(sql.Identifier(name), sql.Literal(password)))
        return password

    def _command(self) -> list[str]:
        settings = {**_SETTINGS, "port": str(self.port), **({} if self.durable else _NOT_DURABLE)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.programs / "bin" / "postgres"), "-D", str(self.data), *options]


@dataclass(frozen=True)
class Server:
    """A running server, and a context manager that stops it."""

    postgres: Postgres
    guard: subprocess.Popen[bytes]

    def url(self, database: str = "rewards") -> str:
        """Return the database's URL for psycopg, with the password."""
        return self.postgres.url(database)

    def create_database(self, name: str) -> None:
        self.postgres.create_database(name)

    def stop(self) -> None:
        """Shut the server down, rolling back open transactions, and remove the data if it isn't `durable`."""
        if self.guard.stdin:
            self.guard.stdin.close()
        self.guard.wait()
        if not self.postgres.durable:
            remove(self.postgres.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    folder: Path, *, durable: bool = True, major: int = 16, port: int | None = None, log: Path | None = None
) -> Server:
    """Start a PostgreSQL server, whose data folder is created if absent; return it when it accepts connections.

    If `durable` is false, for tests, nothing is synced to disk, and `stop` removes the data. Raises Misconfigured if
    the server can't start.
    """
    postgres = prepare(folder, durable=durable, major=major, port=port, log=log)
    log_offset = postgres.log.stat().st_size if postgres.log.exists() else 0
    guard = postgres.launch()
    try:
        _wait(postgres, guard, log_offset)
    except BaseException:
        Server(postgres, guard).stop()
        raise
    return Server(postgres, guard)


def prepare(
    folder: Path, *, durable: bool = True, major: int = 16, port: int | None = None, log: Path | None = None
) -> Postgres:
    """Find PostgreSQL's programs, create the data folder if absent, and choose a port, without starting the server."""
    folder = folder.absolute()
    with _explained(folder):
        account = server_account()
        programs = binaries.usable(major, account)
        if account:
            datadir.sweep()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = datadir.locate(folder, account, durable=durable)
        exists = (folder / "data").exists()
        if exists and not durable and not (folder / _THROWAWAY).exists():
            raise Misconfigured(f"postgres: {folder} holds data to be kept; use another folder for throwaway ones")
        password = _password(folder, exists=exists)
        if not exists:
            if not durable:
                (folder / _THROWAWAY).touch()
            datadir.create(folder, data, programs, account, user=USER, password=password, durable=durable)
        datadir.check(folder, data, major)
        running.release(data)
        return Postgres(folder, data, programs, account, _port(folder, port), password, log or folder / "log", durable)


def remove(folder: Path) -> None:
    """Stop a folder's server, and delete its data folder, also if the folder only has a link to the data folder."""
    data = folder / "data"
    if (place := data.resolve()).is_dir():
        running.release(place)
        shutil.rmtree(place)
    if data.is_symlink():
        data.unlink()
    for name in ("password", "port", _THROWAWAY):
        (folder / name).unlink(missing_ok=True)


def _wait(postgres: Postgres, guard: subprocess.Popen[bytes], log_offset: int) -> None:
    deadline = time.monotonic() + _READY_S
    while not postgres.ready():
        if guard.poll() is not None:
            raise Misconfigured(f"postgres: it did not start: {reason(postgres.log, log_offset)}")
        if time.monotonic() > deadline:
            raise Misconfigured(f"postgres: not ready after {_READY_S:.0f} s; see {postgres.log}")
        time.sleep(_POLL_S)


def reason(log: Path, since: int = 0) -> str:
    """Return why the server ended, in one line: errors in its log after `since` bytes, else the log's last lines."""
    lines = [re.sub(r"^\S+ \S+ UTC \[\d+] ", "", line) for line in lines_since(log, since)]
    grave = [line for line in lines if re.match(r"(FATAL|PANIC|HINT|DETAIL)", line)]
    # Without repeated lines: each refused client adds the same one.
    return f"{' '.join(' '.join(dict.fromkeys(grave or lines[-3:])).split())} (log: {log})"


def _password(folder: Path, *, exists: bool) -> str:
    """Return the server's password, created with a new database. Raises Misconfigured if an old one has none."""
    path = folder / "password"
    if path.exists():
        return path.read_text()
    if exists:
        raise Misconfigured(f"postgres: {path} is gone; restore it, or move {folder} away to begin anew")
    password = secrets.token_urlsafe(24)
    write_private(path, password)
    return password


def _port(folder: Path, port: int | None) -> int:
    """Return `port`; None means the port of the last start or, if another program uses it now, any free port."""
    if port is not None:
        if trouble := port_trouble(port):
            raise Misconfigured(f"postgres: {trouble}; choose another")
        return port
    remembered = folder / "port"
    last = int(text) if remembered.exists() and (text := remembered.read_text()).isdigit() else 0
    if not last or port_trouble(last):
        last = free_port()
        write_private(remembered, str(last))
    return last


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn an OSError that the `with` block raises into Misconfigured, with advice."""
    try:
        yield
    except OSError as refused:
        match refused.errno:
            case errno.ENOSPC | errno.EDQUOT:
                advice = "the disk is full; make room and start again"
            case errno.EACCES | errno.EPERM | errno.EROFS:
                advice = "no permission; start as its owner, or set DATABASE_URL to a server of your own"
            case _:
                advice = "the system refused it"
        raise Misconfigured(f"postgres: {refused.filename or folder}: {refused.strerror}: {advice}") from refused
