"""Simulate a rolling update: the old code serves requests while the new code's migration runs.

Old and new code are two folders, run as separate processes. Faults are failed requests, tables that are rewritten, and
long locks.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

import httpx2
import psycopg

from app.signing import Role
from tests.conftest import ADMIN, Superuser, Token

ROWS = 20_000
MOST_LOCKED_S = 1.0
CALLERS, PAUSE_S = 3, 0.05
SERVED_BEFORE, SERVED_AFTER = 15, 30
PATIENCE_S = 90


@dataclass(frozen=True)
class Place:
    """A database with the old code's schema: its URLs for the superuser, the migrating admin and the services."""

    superusers: str
    admins: str
    services: str


@dataclass
class Seen:
    """What happened during a migration: requests served, faults, and how long each table was locked."""

    served: int = 0
    faults: list[str] = field(default_factory=list)
    locked_s: dict[str, float] = field(default_factory=dict)


def roll(before: Path, after: Path, place: Place, environment: Mapping[str, str], token: Token) -> list[str]:
    """Migrate from the code in `before` to that in `after` while the old code serves; return the faults."""
    assert not (complaint := migrate(before, place.admins)), complaint
    opened = run(before, ["-c", _OPEN_SHOP], {"REWARDS_DATABASE_URL": place.services})
    assert opened.returncode == 0, opened.stderr
    shop = json.loads(opened.stdout.splitlines()[-1])
    calls = requests(UUID(shop["member"]), shop["product"], token)
    seen, stop = Seen(), Event()
    own = {**environment, "REWARDS_DATABASE_URL": place.services}
    with psycopg.connect(place.superusers, autocommit=True) as superuser, serving(before, own) as address:
        multiply(superuser)
        files = files_of(superuser)
        callers = [Thread(target=call, args=(address, calls, seen, stop)) for _ in range(CALLERS)]
        watcher = Thread(target=watch, args=(place.superusers, [*files], seen, stop))
        for thread in (*callers, watcher):
            thread.start()
        try:
            until(lambda: seen.served >= SERVED_BEFORE or bool(seen.faults))
            if complaint := migrate(after, place.admins):
                seen.faults.append(f"the migration failed: {complaint}")
            enough = seen.served + SERVED_AFTER
            until(lambda: seen.served >= enough or bool(seen.faults))
        finally:
            stop.set()
            for thread in (*callers, watcher):
                thread.join()
        now = files_of(superuser)
    rewritten = [f"{table} was written anew" for table, file in files.items() if table in now and now[table] != file]
    locked = [f"{table} was locked for {s:.1f} s" for table, s in seen.locked_s.items() if s > MOST_LOCKED_S]
    return [*dict.fromkeys(seen.faults), *rewritten, *locked]


_OPEN_SHOP = """
import json
from app.clock import SystemClock
from app.db import Database
from app.settings import Settings
from tests.shop import Shop

db = Database.open(Settings())
shop = Shop(db, SystemClock())
product, member = shop.product(), shop.member()
shop.order(member, (product, 3))
shop.give_back(shop.order(member, (product, 3)), 1)
db.close()
print(json.dumps({"product": str(product), "member": str(member)}))
"""


def multiply(superuser: Superuser) -> None:
    """Copy one row of each non-empty table many times, with new keys."""
    superuser.execute("SET session_replication_role = replica")
    for (statement,) in superuser.execute(_COPIES.encode()).fetchall():
        superuser.execute(str(statement).encode())
    superuser.execute("RESET session_replication_role")


_COPIES = f"""
    WITH keys AS (
        SELECT DISTINCT indrelid, unnest(indkey::int2[]) AS attnum FROM pg_index WHERE indisunique
    ), columns AS (
        SELECT attrelid, string_agg(quote_ident(attname), ', ' ORDER BY a.attnum) AS names,
               string_agg(CASE WHEN k.attnum IS NULL THEN 's.' || quote_ident(attname)
                               WHEN atttypid = 'uuid'::regtype THEN 'gen_random_uuid()'
                               WHEN atttypid = 'int8'::regtype THEN '1000000000 + n'
                               WHEN atttypid = 'text'::regtype THEN 'md5(n::text)'
                               ELSE 's.' || quote_ident(attname) END, ', ' ORDER BY a.attnum) AS copied
        FROM pg_attribute a LEFT JOIN keys k ON k.indrelid = attrelid AND k.attnum = a.attnum
        WHERE a.attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = '' GROUP BY 1
    )
    SELECT format('INSERT INTO %s (%s) SELECT %s FROM (SELECT * FROM %s LIMIT 1) s, generate_series(1, {ROWS}) n
                   ON CONFLICT DO NOTHING', c.oid::regclass, names, copied, c.oid::regclass)
    FROM pg_class c JOIN columns ON attrelid = c.oid
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
      AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'only_one')
"""


def files_of(superuser: Superuser) -> dict[str, Any]:
    """Return each table's relfilenode, the number of its data file, which changes if the table is rewritten."""
    rows = superuser.execute(
        """SELECT oid::regclass::text, relfilenode FROM pg_class
           WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'"""
    )
    return dict(rows.fetchall())


def migrate(tree: Path, url: str) -> str:
    """Run the migrations of the code in `tree`; return the error's last line, or '' if they succeed."""
    ran = run(tree, ["-m", "app.migrations"], {"DATABASE_URL": url})
    return (ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"])[-1] if ran.returncode else ""


def run(tree: Path, arguments: list[str], environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run Python with the code in `tree`, which comes before installed packages."""
    command, own = [sys.executable, *arguments], {**os.environ, **environment}
    return subprocess.run(command, cwd=tree, env=own, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


@contextmanager
def serving(tree: Path, environment: Mapping[str, str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", "app.main:create_app", "--factory", "--port", port]
    command += ["--log-level", "error"]  # of whatever commit: how the image starts it may have changed
    with subprocess.Popen(command, cwd=tree, env={**os.environ, **environment}) as process:
        try:
            until(lambda: process.poll() is not None or is_ready(f"http://127.0.0.1:{port}"))
            assert process.poll() is None, f"the API of {tree} does not start"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def is_ready(address: str) -> bool:
    try:
        return httpx2.get(f"{address}/health/ready").status_code == 200
    except httpx2.TransportError:
        return False


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: object = None


def requests(member: UUID, product: str, token: Token) -> list[Request]:
    as_member, as_admin = token(Role.MEMBER, member), token(Role.ADMIN, uuid4())
    order = {"lines": [{"product_id": product, "units": 1}]}
    return [
        Request("POST", "/orders", as_member, order),
        *(Request("GET", path, as_member) for path in ("/orders", "/wallet", "/wallet/lots", "/members/me", "/offers")),
        *(Request("GET", path, {}) for path in ("/products", f"/products/{product}", "/categories", "/rules")),
        *(Request("GET", path, as_admin) for path in ("/vendors", "/nightly-runs")),
    ]


def call(address: str, calls: list[Request], seen: Seen, stop: Event) -> None:
    """Send the requests until `stop`, each on a new connection, as the server may close idle ones; collect faults."""
    for request in cycle(calls):
        if stop.wait(PAUSE_S):
            return
        headers = {**request.headers, "Idempotency-Key": str(uuid4())}
        where, body = address + request.path, request.body
        answer = httpx2.request(request.method, where, json=body, headers=headers, timeout=PATIENCE_S)
        if answer.is_success:
            seen.served += 1
        elif answer.status_code != 429:
            seen.faults.append(f"{request.method} {request.path} was answered {answer.status_code}")


# Locks that keep readers or writers waiting: https://www.postgresql.org/docs/16/explicit-locking.html. One that is
# waited for keeps others waiting as one that is held does.
_LOCKED = """
    SELECT DISTINCT relation::regclass::text FROM pg_locks JOIN pg_stat_activity a USING (pid)
    WHERE a.usename = %s AND a.datname = current_database() AND relation::regclass::text = ANY(%s)
      AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
"""


def watch(superusers: str, tables: list[str], seen: Seen, stop: Event) -> None:
    """Record for how long the migration keeps others from using each table."""
    since: dict[str, float] = {}
    with psycopg.connect(superusers, autocommit=True) as superuser:
        while not stop.wait(0.01):
            now = time.monotonic()
            locked = {str(table) for (table,) in superuser.execute(_LOCKED, (ADMIN, tables)).fetchall()}
            since = {table: since.get(table, now) for table in locked}
            for table, began in since.items():
                seen.locked_s[table] = max(seen.locked_s.get(table, 0.0), now - began)
