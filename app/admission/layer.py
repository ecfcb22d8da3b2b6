"""The ASGI layer around the routes: it refuses, then reads the body, then waits for a place."""

from functools import cached_property
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.admission import shares
from app.admission.bodies import Bodies, Headers, bounded, check_announced, check_json, check_repeated, replayed
from app.admission.rules import JSON, Rule, Rules
from app.admission.shares import Shares
from app.admission.waiting import Places
from app.edge import methods_at
from app.errors import ClientLeft, NotAuthenticated, RewardsError
from app.presence import has_left, is_told
from app.problems import answer, refusal
from app.settings import Settings


def _never_waits(path: str) -> bool:
    return path.startswith("/health/") or path == "/metrics"


def _without_route(status: HTTPStatus, headers: dict[str, str] | None = None) -> Response:
    """Return a response in Starlette's words."""
    return answer(status, status.phrase.lower().replace(" ", "-"), status.phrase, status.phrase, headers=headers)


class Admission:
    """Admits requests to `app`; `application` has the routes and checks the tokens."""

    def __init__(self, app: ASGIApp, application: FastAPI, settings: Settings) -> None:
        self._app, self._application = app, application
        self._hops = settings.trusted_proxies
        self._settings = settings
        self._shares = Shares(settings)
        self._bodies = Bodies(settings.held_bodies_bytes)
        self._places = Places(settings.places, settings.longest_line, settings.longest_wait_ms / 1000)
        application.state.is_full = self._places.is_full
        """app.connection reads it, and refuses requests itself while it is true."""

    @cached_property
    def _rules(self) -> Rules:
        """The routes' rules, derived at the first request, when all routes are mounted."""
        return Rules(self._application.routes, self._settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _never_waits(scope["path"]):
            await self._app(scope, receive, send)
            return
        rule = self._rules.of(scope["method"], scope["path"])
        if rule is None:  # what has no rule reaches no route
            await self._nowhere(scope)(scope, receive, send)
            return
        try:
            await self._admit(rule, scope, receive, send)
        except RewardsError as refused:
            await refusal(refused)(scope, receive, send)

    def _nowhere(self, scope: Scope) -> Response:
        """Return the 404 or 405 response; it costs no work, and the body is not read."""
        methods = methods_at(self._application, scope)
        if methods and scope["method"] not in methods:
            return _without_route(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": ", ".join(methods)})
        return _without_route(HTTPStatus.NOT_FOUND)

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
        """Check the token and count the call. Raises NotAuthenticated, NotAllowed, TooManyRequests."""
        for guard in rule.guards:
            authorization = headers.get(b"authorization", b"").decode("latin-1")
            caller = await guard.caller(self._application.state.tokens, authorization)
            self._shares.count_call(caller.key)
        if rule.open_write:
            self._shares.count_anonymous_write(shares.address_of(scope, self._hops))

    async def _work(self, scope: Scope, receive: Receive, replay: Receive, send: Send) -> None:
        """Run the application in a place, which is free again when the response begins, however slowly it is read."""
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
        """Return a `send` that counts failed logins. Raises TooManyRequests after too many."""
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        login = shares.client_id(authorization, body), shares.address_of(scope, self._hops)
        self._shares.check_login(*login)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == NotAuthenticated.status:
                self._shares.count_failed_login(*login)
            await send(message)

        return watched
