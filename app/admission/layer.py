"""The ASGI middleware of admission control: check a request, read its body, and limit how many requests run at once."""

from functools import cached_property
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.admission import rate_limits
from app.admission.bodies import Bodies, Headers, bounded, check_announced, check_json, check_repeated, replayed
from app.admission.rate_limits import Shares
from app.admission.rules import JSON, Rule, Rules
from app.admission.waiting import Places
from app.edge import methods_at
from app.errors import ClientLeft, NotAuthenticated, RewardsError
from app.presence import has_left, is_told
from app.problems import answer_of, refusal
from app.settings import Settings


def _never_waits(path: str) -> bool:
    return path.startswith("/health/") or path == "/metrics"


class Admission:
    """ASGI middleware that refuses requests beyond their routes' limits, and passes others to `app`, the next layer."""

    def __init__(self, app: ASGIApp, application: FastAPI, settings: Settings) -> None:
        self._app, self._application = app, application
        self._hops = settings.trusted_proxies
        self._settings = settings
        self._shares = Shares(settings)
        self._bodies = Bodies(settings.held_bodies_bytes)
        self._places = Places(settings.places, settings.longest_line, settings.longest_wait_ms / 1000)
        application.state.is_full = self._places.is_full
        """While it returns true, app.connection refuses requests itself."""

    @cached_property
    def _rules(self) -> Rules:
        """The limits of all routes, computed at the first request, when all routes are mounted."""
        return Rules(self._application.routes, self._settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _never_waits(scope["path"]):
            await self._app(scope, receive, send)
            return
        rule = self._rules.of(scope["method"], scope["path"])
        if rule is None:  # no route answers it
            await self._nowhere(scope)(scope, receive, send)
            return
        try:
            await self._admit(rule, scope, receive, send)
        except RewardsError as refused:
            await refusal(refused)(scope, receive, send)

    def _nowhere(self, scope: Scope) -> Response:
        """Return the error response if no route matches: 404, or 405 if the path has routes with other methods."""
        methods = methods_at(self._application, scope)
        if methods and scope["method"] not in methods:
            return answer_of(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(methods)})
        return answer_of(HTTPStatus.NOT_FOUND)

    async def _admit(self, rule: Rule, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if len(headers) < len(scope["headers"]):
            check_repeated(scope["headers"], rule)
        await self._identify(rule, scope, headers)
        check_announced(headers, rule)
        if rule.streams:
            await self._app(scope, bounded(receive, rule.most_bytes), send)
            return
        body = await self._bodies.read(receive, rule.most_bytes)
        try:
            if body and JSON in rule.media_types:
                check_json(body)
            if rule.login:
                send = self._watched(scope, headers, body, send)
            await self._work(scope, receive, replayed(body, receive), send)
        finally:
            self._bodies.release(body)

    async def _identify(self, rule: Rule, scope: Scope, headers: Headers) -> None:
        """Authenticate the caller, and count the request. Raises NotAuthenticated, NotAllowed and TooManyRequests."""
        for guard in rule.guards:
            authorization = headers.get(b"authorization", b"").decode("latin-1")
            caller = await guard.caller(self._application.state.tokens, authorization)
            self._shares.count_call(caller.key)
        if rule.open_write:
            self._shares.count_anonymous_write(rate_limits.address_of(scope, self._hops))

    async def _work(self, scope: Scope, receive: Receive, replay: Receive, send: Send) -> None:
        """Wait for one of the places for concurrent requests, call the application, free the place when it responds."""
        waited = await self._places.take(None if is_told(scope) else receive)
        works = True

        async def answering(message: Message) -> None:
            nonlocal works
            if works:
                works = False
                self._places.give()
            await send(message)

        try:
            if waited and has_left(scope):
                raise ClientLeft("it left before its turn came")
            await self._app(scope, replay, answering)
        finally:
            if works:
                self._places.give()

    def _watched(self, scope: Scope, headers: Headers, body: bytes, send: Send) -> Send:
        """Return a `send` that counts a 401 response as a failed login. Raises TooManyRequests after too many."""
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        login = rate_limits.client_id(authorization, body), rate_limits.address_of(scope, self._hops)
        self._shares.check_login(*login)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == NotAuthenticated.status:
                self._shares.count_failed_login(*login)
            await send(message)

        return watched
