"""Errors as application/problem+json (RFC 9457): exception handlers, and the responses in the API's documentation."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg import DataError, OperationalError
from psycopg.errors import IdleInTransactionSessionTimeout, ReadOnlySqlTransaction, TransactionTimeout
from psycopg_pool import PoolTimeout
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from app.edge import methods_at
from app.errors import BadInput, Busy, FieldError, NotAuthenticated, RewardsError, TooLarge, TooManyRequests
from app.text import shown

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
SCHEMA = "#/components/schemas/Problem"
_UNKNOWN = "the connection was lost, so whether it was done is not known; send it again with the same key"
MOST_ERRORS = 100
"""Errors of one request that are listed at most."""
LONGEST_FIELD = 200
"""Longest field name in an error, in characters; longer ones, with the client's own keys, are cut."""
EVERYWHERE = (BadInput, TooLarge, TooManyRequests, Busy)
"""Errors of every route; `app.routing` adds them to the documentation."""

Responses = dict[int | str, dict[str, Any]]


class Problem(BaseModel):
    """A problem (RFC 9457). `type` ends in a stable error code; `detail` says what the client can do.

    The problem `price-changed` also has `paid_minor` and `earns`, what the order would cost and earn now.
    """

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


def problems(*kinds: type[RewardsError]) -> Responses:
    """Return the OpenAPI `responses` of a route that may raise these errors, with an example of each."""
    described: Responses = {}
    for kind in kinds:
        content = {MEDIA_TYPE: {"schema": {"$ref": SCHEMA}, "examples": {}}}
        response = described.setdefault(kind.status, {"content": content, "headers": {}})
        sent = refusal(kind.example())
        _examples(response)[kind.code] = {"value": orjson.loads(sent.body)}
        for name in kind.example().headers:
            response["headers"][name] = {"schema": {"type": "string"}, "example": sent.headers[name]}
        response["description"] = _titles(response)
    return described


def together(own: Responses, others: Responses) -> Responses:
    """Merge two sets of OpenAPI responses, with the examples and headers of both where they share a status."""
    merged = {**others, **own}
    for status in own.keys() & others.keys():
        examples = {**_examples(own[status]), **_examples(others[status])}
        merged[status] = {
            "content": {MEDIA_TYPE: {"schema": {"$ref": SCHEMA}, "examples": examples}},
            "headers": {**own[status]["headers"], **others[status]["headers"]},
        }
        merged[status]["description"] = _titles(merged[status])
    return merged


def _titles(response: dict[str, Any]) -> str:
    return "; ".join(example["value"]["title"] for example in _examples(response).values())


def _examples(response: dict[str, Any]) -> dict[str, Any]:
    examples: dict[str, Any] = response["content"][MEDIA_TYPE]["examples"]
    return examples


def answer(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    errors: Iterable[FieldError] = (),
    headers: dict[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> JSONResponse:
    """Return a problem response, in which text that UTF-8 can't encode is escaped."""
    body = {
        **(members or {}),
        "type": f"urn:rewards:problem:{code}",
        "title": title,
        "status": status,
        "detail": shown(detail),
        "errors": [{name: shown(text) for name, text in vars(error).items()} for error in errors],
    }
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def answer_of(status: HTTPStatus, detail: str = "", headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the problem response of an HTTP status that has no class in app.errors, such as 405."""
    code = status.phrase.lower().replace(" ", "-")
    return answer(status, code, status.phrase, detail or status.phrase, headers=headers)


def refusal(refused: RewardsError) -> JSONResponse:
    """Return the problem response of an error."""
    bearer = {"WWW-Authenticate": "Bearer"} if isinstance(refused, NotAuthenticated) else {}
    problem = refused.status, refused.code, refused.title, refused.detail
    return answer(*problem, errors=refused.errors, headers={**bearer, **refused.headers}, members=refused.members)


async def _refused(_: Request, refused: Exception) -> JSONResponse:
    assert isinstance(refused, RewardsError)  # noqa: S101  registered for this class
    return refusal(refused)


async def _invalid(_: Request, refused: Exception) -> JSONResponse:
    assert isinstance(refused, RequestValidationError)  # noqa: S101
    all_errors = refused.errors()
    errors = [_wrong(error, refused.body) for error in all_errors[:MOST_ERRORS]]
    detail = "; ".join(f"{error.field}: {error.message}" for error in errors)
    if len(all_errors) > MOST_ERRORS:
        detail += f"; and more than these {MOST_ERRORS}"
    return refusal(BadInput(detail, errors))


def _wrong(error: dict[str, Any], body: object) -> FieldError:
    if error["type"] == "json_invalid" and isinstance(body, str):
        return _not_json(error["ctx"]["error"], body, error["loc"][-1])
    # In a union pydantic adds its own validator to the path: `function-after[…]`.
    path = [part for part in map(str, error["loc"]) if not part.endswith("]")]
    field = ".".join(path)
    name = field if len(field) <= LONGEST_FIELD else f"{field[:LONGEST_FIELD]}…"
    return FieldError(name, error["type"], error["msg"])


def _not_json(reason: str, body: str, offset: int) -> FieldError:
    line, column = body.count("\n", 0, offset) + 1, offset - body.rfind("\n", 0, offset)
    return FieldError("body", "json_invalid", f"it is not JSON: {reason} at line {line}, column {column}")


async def _http(request: Request, refused: Exception) -> JSONResponse:
    assert isinstance(refused, HTTPException)  # noqa: S101
    headers = dict(refused.headers or {})
    if refused.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # Starlette names only the first matching route's methods
        headers["Allow"] = ", ".join(methods_at(request.app, request.scope))
    return answer_of(HTTPStatus(refused.status_code), str(refused.detail), headers)


async def _unstorable(request: Request, refused: Exception) -> JSONResponse:
    """Return 422 for a value that the database can't store; for a GET, which stores nothing, 500: it is our fault."""
    assert isinstance(refused, DataError)  # noqa: S101
    if request.method == "GET":
        return await _broken(request, refused)
    log.warning("a value can't be stored", path=request.url.path, error=type(refused).__name__)
    return refusal(BadInput(f"a value can't be stored: {refused.diag.message_primary or refused}"))


async def _busy(request: Request, refused: Exception) -> JSONResponse:
    """Answer 503 if the database is unreachable, read-only in a failover, or too slow (app/pools.py)."""
    log.warning("database not available", error=str(refused).strip())
    known = request.method == "GET" or isinstance(refused, PoolTimeout) or getattr(refused, "sqlstate", None)
    detail = "nothing was changed; try again shortly" if known else _UNKNOWN
    return answer(503, "unavailable", "The platform is busy", detail, headers={"Retry-After": "1"})


async def _broken(request: Request, error: Exception) -> JSONResponse:
    log.error("unhandled error", path=request.url.path, exc_info=error)
    return answer(500, "internal", "Something broke on our side", "nothing was changed; it has been logged")


def install(app: FastAPI) -> None:
    """Add the exception handlers to the application."""
    app.add_exception_handler(RewardsError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DataError, _unstorable)
    away = PoolTimeout, OperationalError, ReadOnlySqlTransaction, IdleInTransactionSessionTimeout, TransactionTimeout
    for kind in away:
        app.add_exception_handler(kind, _busy)
    app.add_exception_handler(Exception, _broken)
