"""Uvicorn's HTTP protocol with limits that an ASGI application can't enforce.

A request's head is limited in time, bytes and header fields, its body in time and minimum speed. The number of
connections and the time for reading a response are limited too. `app.watch` checks these limits once a second.
"""

import asyncio
import random
import socket
from collections.abc import Callable
from enum import Enum
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from app.admission.waiting import LATEST_RETRY_S, SOONEST_RETRY_S
from app.edge import complete
from app.errors import Busy
from app.presence import EXTENSION
from app.problems import answer
from app.watch import Limits, Watch

NEVER_WAITS = (b"/health/", b"/metrics")
_ESTABLISHED = 1  # of tcp_info's first byte, tcpi_state
MOST_FIELDS = 100
MOST_PIPELINED = 8
UNWANTED_BYTES, UNWANTED_S = 2**20, 2
"""Bytes that are still read of a refused request, and seconds for the client to read the refusal."""
TINY_CHUNKS, LEAST_CHUNK_BYTES = 1_000, 64
"""The first TINY_CHUNKS chunks may have any size; with more, the average is at least LEAST_CHUNK_BYTES."""
FRAMING_SHARE = 8
"""Limit on chunk headers and trailers: `head_bytes` plus the body's bytes divided by this number."""
GRACE_S = 5
"""Seconds during which a body may be slower than the minimum speed."""


class _Phase(Enum):
    IDLE = "the next request, or nothing"
    HEAD = "a head that is not whole"
    BODY = "a body that is not whole"
    NOTHING = "nothing, until it is answered"
    REFUSED = "whatever it sends is dropped"


def _problem(status: int, code: str, title: str, detail: str, headers: dict[str, str]) -> bytes:
    """Return an error response (RFC 9457) as bytes, with the same headers and form as the application's errors."""
    response = answer(status, code, title, detail, headers=headers)
    complete(response.headers)
    head = b"".join(name + b": " + value + b"\r\n" for name, value in response.raw_headers)
    return STATUS_LINE[status] + head + b"\r\n" + bytes(response.body)


_BUSY = [
    _problem(Busy.status, Busy.code, Busy.title, "nothing was changed; try again", {"Retry-After": str(wait)})
    for wait in range(SOONEST_RETRY_S, LATEST_RETRY_S + 1)
]


class Connection(HttpToolsProtocol):
    """Uvicorn's HTTP protocol, with limits that the Watch in `config.watch` checks."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._watch: Watch = config.watch  # type: ignore[attr-defined]  # app.server's
        self._extensions = {EXTENSION: self._has_left}
        self._phase = _Phase.HEAD
        self.seconds = 0
        """Seconds in this phase, counted by the watch."""
        self._unread_s = 0
        self._is_full: Callable[[], bool] = getattr(getattr(self.app, "state", None), "is_full", lambda: False)
        self._was_sent_away = False
        self._head_bytes = self._body_bytes = self._framing_bytes = self._chunks = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # Replaces uvicorn's, which duplicates each socket to read its addresses, and schedules two callbacks.
        self.connections.add(self)
        self.transport, self.flow, self.scheme = transport, FlowControl(transport), "http"
        self.server, self.client = _address(transport, "sockname"), _address(transport, "peername")
        if not self._watch.join(self):
            self._enter(_Phase.REFUSED)
            transport.write(random.choice(_BUSY))  # noqa: S311  no secret
            transport.close()

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
            self._go_on(data)
            return
        room = self._watch.limits.head_bytes - self._head_bytes
        self._head_bytes += len(data)
        super().data_received(data[:room] if len(data) > room else data)
        if self._is_in(_Phase.HEAD):
            if len(data) > room or len(self.headers or ()) > MOST_FIELDS:
                self._refuse_head()
        elif len(data) > room and not self._is_in(_Phase.REFUSED):
            super().data_received(data[room:])

    def _go_on(self, data: bytes) -> None:
        """Pass received bytes of a request's body to uvicorn, and limit the bytes of chunk headers and trailers."""
        message, body_bytes = self.scope, self._body_bytes
        super().data_received(data)
        if self._is_in(_Phase.BODY) and self.scope is message:
            self._framing_bytes += len(data) - (self._body_bytes - body_bytes)
            if self._framing_bytes > self._watch.limits.head_bytes + self._body_bytes // FRAMING_SHARE:
                self._refuse_framing()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]  # ours
        self._enter(_Phase.HEAD)
        self._body_bytes = self._framing_bytes = self._chunks = 0
        self._was_sent_away = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is _Phase.HEAD:  # trailers are dropped: the application has its headers by then
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.headers) > MOST_FIELDS or len(self.pipeline) >= MOST_PIPELINED:
            raise ValueError("too many")
        if self._is_full() and self._may_be_sent_away():
            self._was_sent_away = True
            self.transport.write(random.choice(_BUSY))  # noqa: S311  no secret
        else:
            super().on_headers_complete()
        self._enter(_Phase.BODY)
        self._head_bytes = 0

    def on_chunk_header(self) -> None:
        self._chunks += 1
        if self._has_tiny_chunks():
            raise ValueError("too small")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._was_sent_away or self.cycle.response_complete:
            self._drop(0)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._was_sent_away:
            super().on_message_complete()
        elif not self.parser.should_keep_alive():
            self.transport.close()
        self._enter(_Phase.IDLE if self._was_sent_away or self.cycle.response_complete else _Phase.NOTHING)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._body_bytes = self._framing_bytes = self._chunks = 0
        answered = self._phase is _Phase.NOTHING and self.cycle.response_complete
        self._enter(_Phase.IDLE if answered else self._phase)

    def spare(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def is_idle(self) -> bool:
        """Return true if the connection may be closed: for at least a second it has had no whole request to answer."""
        return self.seconds > 0 and self._phase in (_Phase.IDLE, _Phase.HEAD) and self.spare()

    def _may_be_sent_away(self) -> bool:
        """Return true if an overloaded server may refuse this request before it reaches the application, to save work.

        False for health checks, metrics, HEAD (no body in the response), and cross-origin requests (need CORS headers).
        """
        return (
            self.spare()
            and not self.url.startswith(NEVER_WAITS)
            and self.parser.get_method() != b"HEAD"
            and not any(name == b"origin" for name, _ in self.headers)
        )

    def look(self, limits: Limits) -> None:
        """Close the connection or refuse the request if a limit is exceeded; called once a second."""
        self.seconds += 1
        self._unread_s = self._unread_s + 1 if self.transport.get_write_buffer_size() else 0
        if self._unread_s > limits.answer_s:
            self.transport.abort()
        match self._phase:
            case _Phase.HEAD if self.seconds > limits.head_s and not self._head_bytes:
                self.transport.close()
            case _Phase.HEAD if self.seconds > limits.head_s:
                self._refuse(408, "too-slow", "It came too slowly", f"send a request's head within {limits.head_s} s")
            case _Phase.IDLE if self.seconds > limits.keep_alive_s:
                self.transport.close()
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
            self.flow.pause_reading()

    def _refuse_head(self) -> None:
        limits = self._watch.limits
        detail = f"send at most {limits.head_bytes} bytes and {MOST_FIELDS} fields of headers"
        self._refuse(431, "head-too-large", "The head is too large", detail)

    def _has_tiny_chunks(self) -> bool:
        return self._chunks > TINY_CHUNKS and self._body_bytes < LEAST_CHUNK_BYTES * (self._chunks - 1)

    def _refuse_framing(self) -> None:
        detail = f"send chunks of {LEAST_CHUNK_BYTES} bytes or more, and hardly anything beside them"
        self._refuse(400, "bad-framing", "The body comes in too many pieces", detail)

    def send_400_response(self, _: str) -> None:
        """Refuse a request that made the parser or `on_headers_complete` raise; uvicorn calls this."""
        if len(self.headers or ()) > MOST_FIELDS:
            self._refuse_head()
        elif self._has_tiny_chunks():
            self._refuse_framing()
        else:
            self._refuse(400, "bad-request", "It is not HTTP", "send requests as RFC 9112 has them")

    def _refuse(self, status: int, code: str, title: str, detail: str) -> None:
        """Send the error unless a response has begun; close the connection for writing, and ignore further input."""
        answered = self._phase is _Phase.BODY and (self.spare() or self.cycle.response_started)
        self._enter(_Phase.REFUSED)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not self.transport.is_closing():
            if not answered:
                self.transport.write(_problem(status, code, title, detail, {"Connection": "close"}))
            self.transport.write_eof()

    def _is_in(self, phase: _Phase) -> bool:
        return self._phase is phase

    def _enter(self, phase: _Phase) -> None:
        self._phase, self.seconds = phase, 0

    def _has_left(self) -> bool:
        """Return true if the client has disconnected. Asks the kernel, because the event loop may notice it late.

        Thread-safe: if the event loop closes the socket meanwhile, its descriptor may belong to another connection, so
        the transport is checked again afterwards.
        """
        return self.transport.is_closing() or _is_hung_up(self.transport) or self.transport.is_closing()


def _address(transport: asyncio.Transport, whose: str) -> tuple[str, int] | None:
    address = transport.get_extra_info(whose)
    return (str(address[0]), int(address[1])) if isinstance(address, tuple) else None


def _is_hung_up(transport: asyncio.Transport) -> bool:
    """Return true if the TCP connection is not ESTABLISHED. Unlike `poll`, reading TCP_INFO keeps the GIL."""
    if not hasattr(socket, "TCP_INFO"):  # Linux has it
        return False
    number = transport.get_extra_info("socket").fileno()
    if number < 0:  # it was closed since
        return True
    line = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, number)
    try:
        return line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _ESTABLISHED
    except OSError:
        return False
    finally:
        line.detach()  # it is the transport's
