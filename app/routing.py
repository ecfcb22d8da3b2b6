"""Routes that refuse unknown query parameters and text that PostgreSQL can't store, and document their errors.

A body is parsed here, before FastAPI parses it again, only if a fast search finds suspicious bytes in it.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine, Iterator
from functools import wraps
from inspect import iscoroutinefunction
from itertools import islice
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.dependencies.utils import get_dependant
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from app.auth import Allow
from app.errors import (
    BadCursor,
    InFlight,
    KeyReused,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RewardsError,
    WrongMediaType,
)
from app.problems import EVERYWHERE, MOST_ERRORS, problems, together
from app.text import UNSTORABLE

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Errors = list[dict[str, Any]]
Place = tuple[str | int, ...]

CACHED_SECONDS = {"/products": 10, "/products/{product_id}": 10, "/categories": 10}
"""Seconds for which browsers and proxies may cache the responses of public routes; all others are not cached."""

# NUL and surrogates as JSON escapes, or as bytes: surrogates in UTF-8 begin with ED and A0 to BF.
_SUSPECT = re.compile(rb"\\u0000|\\u[dD][89a-fA-F]|\x00|\xed[\xa0-\xbf]")


class Route(APIRoute):
    """A route that refuses unknown parameters and unstorable text. Its operation id is its endpoint's name.

    Its documented responses include the errors that follow from its parameters and dependencies. A synchronous endpoint
    runs by `asyncio.to_thread`, at a third of the cost of FastAPI's thread pool.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **settings: Any) -> None:
        if not iscoroutinefunction(endpoint):
            endpoint = _in_thread(endpoint)
        dependant = get_dependant(path=path, call=endpoint)
        by_hand = settings.get("openapi_extra") or {}
        settings["operation_id"] = settings.get("operation_id") or endpoint.__name__
        settings["responses"] = together(settings.get("responses") or {}, problems(*_refusals(dependant, by_hand)))
        super().__init__(path, endpoint, **settings)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        # A route that describes its parameters by hand also refuses unknown ones itself.
        parameters = None if "parameters" in (self.openapi_extra or {}) else _query_parameters(self)

        async def checked(request: Request) -> Response:
            errors = _unknown(request, parameters) + _unstorable(request)
            if self.body_field and _SUSPECT.search(await request.body()):
                errors += await _unstorable_in_body(request)
            if errors:
                await self._let_in(request)
                raise RequestValidationError(errors)
            try:
                answer = await handle(request)
            except HTTPException as refused:
                raise _not_json(refused) from None
            if request.method == "GET" and answer.status_code == 200:
                self._describe(answer)
            return answer

        return checked

    def _describe(self, answer: Response) -> None:
        if self.path in CACHED_SECONDS:
            answer.headers["Cache-Control"] = f"public, max-age={CACHED_SECONDS[self.path]}"
        if (answer.media_type or "").startswith("text/csv"):
            name = PurePosixPath(self.path).stem
            answer.headers.setdefault("Content-Disposition", f'attachment; filename="{name}.csv"')

    async def _let_in(self, request: Request) -> None:
        """Authenticate the caller before invalid input is reported. Raises NotAuthenticated and NotAllowed."""
        for guard in guards(self):
            await guard(request)


def _in_thread(endpoint: Callable[..., Any]) -> Callable[..., Coroutine[Any, Any, Any]]:
    @wraps(endpoint)
    async def run(**arguments: Any) -> Any:
        return await asyncio.to_thread(endpoint, **arguments)

    return run


class Router(APIRouter):
    """A router whose routes are all of class Route; every package uses it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(route_class=Route, redirect_slashes=False, **settings)


def guards(route: APIRoute) -> list[Allow]:
    """Return the dependencies that check a route's caller; [] if anyone may call it."""
    return _guards(route.dependant)


def _guards(dependant: Any) -> list[Allow]:
    return [inner.call for inner in _with_inner(dependant) if isinstance(inner.call, Allow)]


def _refusals(dependant: Any, by_hand: dict[str, Any]) -> Iterator[type[RewardsError]]:
    """Yield the errors that follow from an endpoint's dependencies, parameters and body.

    `by_hand` is the OpenAPI description of a query or body that the endpoint parses itself.
    """
    yield from EVERYWHERE
    if _guards(dependant):
        yield from (NotAuthenticated, NotAllowed)
    parts = list(_with_inner(dependant))
    if any(parameter.field_info.annotation is UUID for part in parts for parameter in part.path_params):
        yield NotFound
    if any(parameter.alias == "Idempotency-Key" for part in parts for parameter in part.header_params):
        yield from (InFlight, KeyReused)
    query = {parameter.alias for part in parts for parameter in part.query_params}
    if "cursor" in query | {parameter["name"] for parameter in by_hand.get("parameters", ())}:
        yield BadCursor
    if "requestBody" in by_hand or any(part.body_params for part in parts):
        yield WrongMediaType


def _with_inner(dependant: Any) -> Iterator[Any]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _with_inner(inner)


def _query_parameters(route: APIRoute) -> frozenset[str]:
    return frozenset(parameter.alias for inner in _with_inner(route.dependant) for parameter in inner.query_params)


def _unknown(request: Request, parameters: frozenset[str] | None) -> Errors:
    if parameters is None or not request.scope["query_string"]:
        return []
    known = f"there are {', '.join(sorted(parameters))}" if parameters else "there are none"
    return [
        _error("extra_forbidden", ("query", name), f"there is no such parameter; {known}")
        for name in dict.fromkeys(request.query_params)
        if name not in parameters
    ]


def _unstorable(request: Request) -> Errors:
    """Return an error for each path parameter, query parameter and header whose text PostgreSQL can't store."""
    scope = request.scope
    torn = b"%" in scope.get("raw_path", b"") and not _is_utf_8(scope["raw_path"])
    places: list[Place] = [
        ("path", name) for name, value in request.path_params.items() if "\0" in value or (torn and "\ufffd" in value)
    ]
    if b"%" in scope["query_string"]:
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="surrogateescape")
        places += [("query", name) for name, value in pairs if UNSTORABLE.search(name + value)]
    places += [("header", name.decode("latin-1")) for name, value in scope["headers"] if b"\0" in value]
    return [_unstorable_at(place) for place in places]


def _is_utf_8(raw: bytes) -> bool:
    try:
        unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return False
    return True


async def _unstorable_in_body(request: Request) -> Errors:
    try:
        body = await request.json()
    except (ValueError, RecursionError):
        return []  # FastAPI refuses it
    return [_unstorable_at(place) for place in islice(_texts(body, ("body",)), MOST_ERRORS + 1)]


def _texts(value: Any, place: Place) -> Iterator[Place]:
    """Yield the paths, each beginning with `place`, at which a JSON value has texts that PostgreSQL can't store."""
    match value:
        case str() if UNSTORABLE.search(value):
            yield place
        case list():
            for number, item in enumerate(value):
                yield from _texts(item, (*place, number))
        case dict():
            for name, item in value.items():
                if UNSTORABLE.search(name):
                    yield (*place, name)
                yield from _texts(item, (*place, name))


def _unstorable_at(place: Place) -> dict[str, Any]:
    return _error("unstorable_text", place, "must be Unicode text without NUL and without halves of surrogate pairs")


def _not_json(refused: HTTPException) -> Exception:
    """Return a validation error (422) instead of FastAPI's 400 for an undecodable body, and other errors unchanged."""
    if refused.status_code != 400:
        return refused
    return RequestValidationError([_error("json_invalid", ("body",), "can't be read as JSON")])


def _error(code: str, place: Place, message: str) -> dict[str, Any]:
    return {"type": code, "loc": place, "msg": message}
