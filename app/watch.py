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
    """How slow, large and many connections may be, in seconds and bytes; the settings have the same names."""

    connections: int
    head_bytes: int
    head_s: int
    body_s: int
    body_bytes_a_second: int
    answer_s: int
    keep_alive_s: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        return cls(*(getattr(settings, name) for name in cls._fields))


class Watch:
    """Holds a server's connections. Once a second it closes those that exceed a limit, or refuses their requests."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._connections: dict[Connection, None] = {}
        self._idle: list[Connection] = []
        """Idle connections as of the last check, the longest idle last."""
        self._looking = False

    def join(self, connection: "Connection") -> bool:
        """Add a connection. If there are too many, close an idle one for it; return false if none is idle."""
        self._connections[connection] = None
        if not self._looking:
            self._looking = True
            connection.loop.call_later(_LOOK_S, self._look, connection.loop)
        return len(self._connections) <= self.limits.connections or self._make_room()

    def leave(self, connection: "Connection") -> None:
        self._connections.pop(connection, None)

    def _make_room(self) -> bool:
        while self._idle:
            connection = self._idle.pop()
            if connection in self._connections and connection.is_idle():
                connection.transport.abort()
                return True
        return False

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Check clients' connections for exceeded limits. The next check is scheduled before, so no error ends them."""
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
