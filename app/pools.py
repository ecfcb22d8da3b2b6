"""Pools of connections: how long anything waits for the database, and that no dead connection is handed out."""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

from psycopg import Connection
from psycopg.errors import ReadOnlySqlTransaction
from psycopg_pool import ConnectionPool, PoolTimeout

# A server whose machine is gone answers no probe: it is noticed after idle + interval x count, 11 s, and what was sent
# to it and never acknowledged after 10 s (in milliseconds; Linux). https://www.postgresql.org/docs/16/libpq-connect.html
KEEPALIVES: dict[str, Any] = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
# The server looks after its clients as they do after it: what a machine that is gone had locked is free again.
_SERVER_KEEPALIVES = {
    "tcp_keepalives_idle": "5s",
    "tcp_keepalives_interval": "2s",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10s",
}
# psycopg_pool doubles its pauses between attempts until it gives up: the shorter that is, the sooner a server that is
# back is found. Whoever asks for a connection then begins a new attempt.
_ATTEMPTS_S = 2.0
# How long a request waits for a connection right after another waited in vain: an outage then costs no thread for long.
_STILL_AWAY_S = 0.25


@dataclass(frozen=True)
class Waits:
    """The longest waits for the database, in seconds: for a new connection, for one of the pool's to be free, for the
    answer of one statement, for a lock, and of an open transaction for its next statement.
    """

    connect_s: int
    pool_s: float
    statement_s: int
    lock_s: int
    idle_s: int

    def options(self) -> str:
        """Of the server, for the start of a connection: they cost no statement."""
        limits = {
            "statement_timeout": f"{self.statement_s}s",
            "lock_timeout": f"{self.lock_s}s",
            "idle_in_transaction_session_timeout": f"{self.idle_s}s",
        }
        return " ".join(f"-c {name}={value}" for name, value in {**limits, **_SERVER_KEEPALIVES}.items())


# The night, workers, functions and commands: they read much at once, and nobody's connection waits for their answer.
JOBS = Waits(connect_s=5, pool_s=10, statement_s=1_800, lock_s=60, idle_s=600)


class Pool:
    """Connections to one server. One that it closed is replaced, and so are all once a writer became a reader."""

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
        """Commits when its block ends, and rolls back on any exception. Raises PoolTimeout after `timeout_s`."""
        connection = self._alive(timeout_s)
        try:
            with connection:
                yield connection
        except ReadOnlySqlTransaction:
            connection.close()
            self._pool.drain()  # after a failover the others lead to the same server
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
    """Whether the server still serves the connection.

    An idle one has nothing to read until its server closes it, so that a look at the socket, which takes microseconds,
    spares the round trip of asking.
    """
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
