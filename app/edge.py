"""The outermost ASGI layer: it answers OPTIONS and CORS preflights, answers HEAD like GET, and adds common headers."""

import re
from collections.abc import Callable

from fastapi import FastAPI
from fastapi.responses import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.settings import Settings

_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")
_SENT = ("Authorization", "Content-Type", "Idempotency-Key")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_READ = ("Content-Disposition", "Idempotent-Replayed", "Retry-After", "WWW-Authenticate")


def methods_at(app: FastAPI, scope: Scope) -> list[str]:
    """Return the sorted HTTP methods of all routes that match a request's path; [] if the path has control characters.

    Paths with control characters are refused because a route also matches its own path followed by a newline.
    """
    if _CONTROL.search(scope["path"]):
        return []
    root = scope.get("app_root_path", scope.get("root_path", ""))
    probe = {"type": "http", "headers": [], "path": scope["path"], "root_path": root}
    methods = {
        method
        for method in _METHODS
        for route in app.routes
        if route.matches({**probe, "method": method})[0] is Match.FULL
        and (method == "GET" or not isinstance(route, Mount))  # only static files are mounted
    }
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


class Edge:
    """The outermost ASGI middleware. `inside` is what it wraps: admission control, error handlers and `app`."""

    def __init__(self, app: FastAPI, inside: ASGIApp, settings: Settings) -> None:
        self._app, self._inside = app, inside
        self._origins = frozenset(settings.cors_origins)
        self._cors = CORSMiddleware(
            self._answer,
            settings.cors_origins,
            allow_methods=(*_METHODS, "HEAD"),
            allow_headers=_SENT,
            allow_credentials=settings.cors_credentials,
            expose_headers=_READ,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inside(scope, receive, send)
            return
        send = _with_headers(send, complete)
        origin = Headers(scope=scope).get("origin")
        allowed = origin is not None and bool(self._origins & {origin, "*"})
        if self._origins and not allowed:  # CORSMiddleware adds the header to allowed ones
            send = _with_headers(send, lambda headers: headers.add_vary_header("Origin"))
        await (self._cors if allowed else self._answer)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["method"]:
            case "HEAD":
                await self._inside({**scope, "method": "GET"}, receive, _without_body(send))
            case "OPTIONS" if methods := methods_at(self._app, scope):
                await Response(status_code=204, headers={"Allow": ", ".join(methods)})(scope, receive, send)
            case _:
                await self._inside(scope, receive, send)


def complete(headers: MutableHeaders) -> None:
    """Add X-Content-Type-Options, and a Cache-Control if the response has none."""
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Cache-Control", "no-cache" if "etag" in headers else "no-store")


def _with_headers(send: Send, change: Callable[[MutableHeaders], None]) -> Send:
    async def changed(message: Message) -> None:
        if message["type"] == "http.response.start":
            change(MutableHeaders(scope=message))
        await send(message)

    return changed


def _without_body(send: Send) -> Send:

    async def head(message: Message) -> None:
        if message["type"] == "http.response.body":
            if message.get("more_body"):
                return
            message = {"type": "http.response.body", "body": b""}
        await send(message)

    return head
