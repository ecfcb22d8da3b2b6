"""Connection pools with limits on every wait, which give out no dead connections."""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from psycopg import Connection
from psycopg.errors import ReadOnlySqlTransaction
from psycopg_pool import ConnectionPool, PoolTimeout

# Detects a vanished server after idle + interval x count = 11 s, or 10 s (in milliseconds; Linux) after data were sent
# that it does not acknowledge. https://www.postgresql.org/docs/16/libpq-connect.html
KEEPALIVES: dict[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# The same on the server, so that the locks of a vanished client are released.
_SERVER_KEEPALIVES = {
    "tcp_keepalives_idle": "5s",
    "tcp_keepalives_interval": "2s",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10s",
}
# psycopg_pool doubles its pauses between attempts to connect until this limit; the next request begins anew. A short
# limit finds a server that is back sooner.
_ATTEMPTS_S = 2.0
# How long a request waits for a connection after another timed out, so that an outage does not block all threads.
_STILL_AWAY_S = 0.25


@dataclass(frozen=True)
class Waits:
    """Timeouts in seconds for getting a connection, statements, locks and idle transactions."""

    connect_s: int  # for a new connection
    pool_s: float  # until a connection of the pool is free
    statement_s: int  # for a statement's result
    lock_s: int
    idle_s: int  # of an open transaction, until its next statement

    def options(self) -> str:
        """Return the timeouts as libpq's `options`, so that no SET statement is needed after connecting."""
        limits = {
            "statement_timeout": f"{self.statement_s}s",
            "lock_timeout": f"{self.lock_s}s",
            "idle_in_transaction_session_timeout": f"{self.idle_s}s",
        }
        return " ".join(f"-c {name}={value}" for name, value in {**limits, **_SERVER_KEEPALIVES}.items())


# Timeouts of the night, workers, functions and commands, which read much at once and serve no request.
JOBS = Waits(connect_s=5, pool_s=10, statement_s=1_800, lock_s=60, idle_s=600)


class Pool:
    """A pool of connections to one server. The pool replaces connections that the server has closed.

    If the server refuses a write because it is read-only, as after a failover, the pool replaces all connections.
    """

    def __init__(self, address: Callable[[], str], size: int, waits: Waits, **options: Any) -> None:
        self._waits = waits
        self._timed_out = False
        self._pool = ConnectionPool(
            address,
            min_size=min(2, size),
            max_size=size,
            kwargs={"application_name": "rewards", "connect_timeout": waits.connect_s, **KEEPALIVES, **options},
            timeout=waits.pool_s,
            reconnect_timeout=_ATTEMPTS_S,
            open=True,
        )

    def close(self) -> None:
        self._pool.close()

    @contextmanager
    def connection(self, timeout_s: float | None = None) -> Iterator[Connection[Any]]:
        """Yield a connection that commits after the `with` block, or rolls back on an exception. Raises PoolTimeout."""
        connection = self._alive(timeout_s)
        try:
            with connection:
                yield connection
        except ReadOnlySqlTransaction:
            connection.close()
            self._pool.drain()  # the other connections lead to the same server
            raise
        finally:
            self._pool.putconn(connection)

    def _alive(self, timeout_s: float | None) -> Connection[Any]:
        longest = _STILL_AWAY_S if self._timed_out else self._waits.pool_s
        deadline = monotonic() + (longest if timeout_s is None else timeout_s)
        while True:
            try:
                connection = self._pool.getconn(max(0.0, deadline - monotonic()))
            except PoolTimeout:
                self._timed_out = True
                raise
            self._timed_out = False
            if _answers(connection):
                return connection
            connection.close()
            self._pool.putconn(connection)


def _answers(connection: Connection[Any]) -> bool:
    """Return true if the connection is alive. Asks the server only if the socket is readable, as closed sockets are."""
    if connection.closed:
        return False
    if not _readable(connection.fileno()):
        return True
    with suppress(Exception):
        ConnectionPool.check_connection(connection)
        return True
    return False


def _readable(descriptor: int) -> bool:
    if not hasattr(select, "poll"):  # Windows
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
