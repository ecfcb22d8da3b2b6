"""A connection's own limits: what no ASGI application sees, because it happens before or after its request.

The head of a request is bounded in time, bytes and fields, the body in time and by a least speed, an answer in the time
that the client takes to read it, and connections in their number. One look a second at all connections finds those
that are past a limit; a request itself pays for no timer.
"""

import asyncio
import json
import select
from enum import Enum
from typing import Any, NamedTuple

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from app.presence import EXTENSION
from app.settings import Settings

_LOOK_S = 1
MOST_FIELDS = 100
MOST_PIPELINED = 8
UNWANTED_BYTES, UNWANTED_S = 32 * 2**20, 5
"""How much is read, and for how long, of what was refused: a client that still sends sees its answer only then."""
GRACE_S = 5
"""A body may begin as slowly as it likes for so long."""


class Limits(NamedTuple):
    """Seconds and bytes."""

    connections: int
    head_bytes: int
    head_s: int
    body_s: int
    body_bytes_a_second: int
    answer_s: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        return cls(
            settings.connections,
            settings.head_bytes,
            settings.head_s,
            settings.body_s,
            settings.body_bytes_a_second,
            settings.answer_s,
        )


class _Phase(Enum):
    """What the client is expected to send."""

    IDLE = "the next request, or nothing"
    HEAD = "a head that is not whole"
    BODY = "a body that is not whole"
    NOTHING = "nothing, until it is answered"
    REFUSED = "whatever it sends is dropped"


class Watch:
    """All connections of a server."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._connections: dict[Connection, None] = {}
        self._looking = False

    def join(self, connection: "Connection") -> bool:
        """False where there are too many, and all are being answered; else the longest idle one makes room."""
        self._connections[connection] = None
        if not self._looking:
            self._looking = True
            connection.loop.call_later(_LOOK_S, self._look, connection.loop)
        return len(self._connections) <= self.limits.connections or self._make_room(connection)

    def leave(self, connection: "Connection") -> None:
        self._connections.pop(connection, None)

    def _make_room(self, newcomer: "Connection") -> bool:
        others = (other for other in self._connections if other is not newcomer and other.spare())
        longest = max(others, key=lambda other: other.seconds, default=None)
        if longest is not None:
            longest.transport.abort()
        return longest is not None

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        for connection in tuple(self._connections):
            connection.look(self.limits)
        self._looking = bool(self._connections)
        if self._looking:
            loop.call_later(_LOOK_S, self._look, loop)


class Connection(HttpToolsProtocol):
    """Uvicorn's own, with limits. Its `config` must have a `watch`."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._watch: Watch = config.watch  # type: ignore[attr-defined]  # app.server's
        self._extensions = {EXTENSION: self._has_left}
        self._phase = _Phase.HEAD
        self.seconds = 0
        """In this phase, as the watch counts them."""
        self._unread_s = 0
        self._head_bytes = self._body_bytes = 0

    # ── what comes ──────────────────────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not self._watch.join(self):
            self._refuse(503, "busy", "There is more to do than can be done", "too many connections; try again shortly")

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        match self._phase:
            case _Phase.REFUSED:
                self._drop(len(data))
                return
            case _Phase.IDLE:
                self._enter(_Phase.HEAD)
        if self._phase is not _Phase.HEAD:
            super().data_received(data)
            return
        room = self._watch.limits.head_bytes - self._head_bytes
        self._head_bytes += len(data)
        super().data_received(data[:room] if len(data) > room else data)
        if self._is_in(_Phase.HEAD):
            if len(data) > room or len(self.headers or ()) > MOST_FIELDS:
                self._refuse_head()
        elif len(data) > room and not self._is_in(_Phase.REFUSED):
            super().data_received(data[room:])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]  # ours
        self._enter(_Phase.HEAD)
        self._body_bytes = 0

    def on_headers_complete(self) -> None:
        if len(self.headers) > MOST_FIELDS or len(self.pipeline) >= MOST_PIPELINED:
            raise ValueError("too many")
        super().on_headers_complete()
        self._enter(_Phase.BODY)
        self._head_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self.cycle.response_complete:
            self._drop(0)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._enter(_Phase.IDLE if self.cycle.response_complete else _Phase.NOTHING)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._body_bytes = 0
        answered = self._phase is _Phase.NOTHING and self.cycle.response_complete
        self._enter(_Phase.IDLE if answered else self._phase)

    # ── what is too much ────────────────────────────────────────────────────────────────────────────────────────────

    def spare(self) -> bool:
        """Whether it may be closed for another's sake: nobody waits for an answer on it."""
        return self.cycle is None or self.cycle.response_complete

    def look(self, limits: Limits) -> None:
        """Once a second."""
        self.seconds += 1
        self._unread_s = self._unread_s + 1 if self.transport.get_write_buffer_size() else 0
        if self._unread_s > limits.answer_s:
            self.transport.abort()
        match self._phase:
            case _Phase.HEAD if self.seconds > limits.head_s and not self._head_bytes:
                self.transport.close()
            case _Phase.HEAD if self.seconds > limits.head_s:
                self._refuse(408, "too-slow", "It came too slowly", f"send a request's head within {limits.head_s} s")
            case _Phase.BODY if self.spare():
                if self.seconds > UNWANTED_S:
                    self.transport.abort()
            case _Phase.BODY if self.flow.read_paused:
                self.seconds -= 1  # we are the slow ones
            case _Phase.BODY if self._too_slow(limits):
                detail = f"send a body within {limits.body_s} s, at {limits.body_bytes_a_second} bytes a second or more"
                self._refuse(408, "too-slow", "It came too slowly", detail)
            case _Phase.REFUSED if self.seconds > UNWANTED_S:
                self.transport.abort()

    def _too_slow(self, limits: Limits) -> bool:
        expected = (self.seconds - GRACE_S) * limits.body_bytes_a_second
        return self.seconds > limits.body_s or self._body_bytes < expected

    def _drop(self, size: int) -> None:
        self._body_bytes += size
        if self._body_bytes > UNWANTED_BYTES:
            self.transport.abort()

    def _refuse_head(self) -> None:
        limits = self._watch.limits
        detail = f"send at most {limits.head_bytes} bytes and {MOST_FIELDS} fields of headers"
        self._refuse(431, "head-too-large", "The head is too large", detail)

    def send_400_response(self, _: str) -> None:
        """What the parser refuses, and what `on_headers_complete` does."""
        if len(self.headers or ()) > MOST_FIELDS:
            self._refuse_head()
        else:
            self._refuse(400, "bad-request", "It is not HTTP", "send requests as RFC 9112 has them")

    def _refuse(self, status: int, code: str, title: str, detail: str) -> None:
        """Answers, says that nothing follows, and drops what still comes until the client has read it."""
        problem = {"type": f"urn:rewards:problem:{code}", "title": title, "status": status, "detail": detail}
        body = json.dumps({**problem, "errors": []}).encode()
        head = f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
        retry = "retry-after: 2\r\n" if status == 503 else ""
        self._enter(_Phase.REFUSED)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not self.transport.is_closing():
            self.transport.write(STATUS_LINE[status] + f"{head}{retry}\r\n".encode() + body)
            self.transport.write_eof()

    def _is_in(self, phase: _Phase) -> bool:
        return self._phase is phase

    def _enter(self, phase: _Phase) -> None:
        self._phase, self.seconds = phase, 0

    def _has_left(self) -> bool:
        """Asks the kernel: the event loop hears of it only when it gets round to it."""
        return self.transport.is_closing() or _is_hung_up(self.transport) or self.transport.is_closing()


def _is_hung_up(transport: asyncio.Transport) -> bool:
    if not hasattr(select, "POLLRDHUP"):  # Linux alone has it
        return False
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))
