"""Check all connections of a server against their limits once a second, so that requests need no timers."""

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import structlog

from app.settings import Settings

if TYPE_CHECKING:
    from app.connection import Connection

log = structlog.get_logger()

_LOOK_S = 1


class Limits(NamedTuple):
    """Limits of a connection, in seconds and bytes."""

    connections: int
    head_bytes: int
    head_s: int
    body_s: int
    body_bytes_a_second: int
    answer_s: int
    keep_alive_s: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        return cls(
            settings.connections,
            settings.head_bytes,
            settings.head_s,
            settings.body_s,
            settings.body_bytes_a_second,
            settings.answer_s,
            settings.keep_alive_s,
        )


class Watch:
    """Watches all connections of a server."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._connections: dict[Connection, None] = {}
        self._idle: list[Connection] = []
        """Idle connections as of the last check, the longest idle last."""
        self._looking = False

    def join(self, connection: "Connection") -> bool:
        """Add a connection; return false if there are too many and no idle one could be closed."""
        self._connections[connection] = None
        if not self._looking:
            self._looking = True
            connection.loop.call_later(_LOOK_S, self._look, connection.loop)
        return len(self._connections) <= self.limits.connections or self._make_room()

    def leave(self, connection: "Connection") -> None:
        self._connections.pop(connection, None)

    def _make_room(self) -> bool:
        """Close an idle connection in constant time, so that a flood of connections stays cheap."""
        while self._idle:
            connection = self._idle.pop()
            if connection in self._connections and connection.is_idle():
                connection.transport.abort()
                return True
        return False

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Check all connections. Schedules the next check first, so that no fault ends the watch."""
        self._looking = bool(self._connections)
        if self._looking:
            loop.call_later(_LOOK_S, self._look, loop)
        for connection in tuple(self._connections):
            self._look_at(connection)
        self._idle = [connection for connection in self._connections if connection.is_idle()]
        self._idle.sort(key=lambda connection: connection.seconds)

    def _look_at(self, connection: "Connection") -> None:
        try:
            connection.look(self.limits)
        except Exception:
            log.exception("a connection can't be watched", client=connection.client)
            connection.transport.abort()
