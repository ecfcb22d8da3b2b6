"""Errors as application/problem+json (RFC 9457), for the handler and for the API's documentation."""

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
from app.errors import (
    BadInput,
    Busy,
    FieldError,
    NotAuthenticated,
    RewardsError,
    TooLarge,
    TooManyRequests,
)
from app.text import shown

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
SCHEMA = "#/components/schemas/Problem"
RETRY_AFTER_SECONDS = 1
MOST_ERRORS = 100
"""How many of the faults of one request are listed."""
LONGEST_FIELD = 200
"""Characters of a field's name that are repeated: each of many errors names the keys that it lies under."""
EVERYWHERE = (BadInput, TooLarge, TooManyRequests, Busy)
"""What any route may answer, whatever it does; `app.routing` adds these."""


Responses = dict[int | str, dict[str, Any]]


class Problem(BaseModel):
    """RFC 9457. `type` ends in a code that does not change; `detail` says what to do.

    An order's `price-changed` has `paid_minor` and `earns` too: what the order would cost and earn now.
    """

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


def problems(*kinds: type[RewardsError]) -> Responses:
    """The `responses` of a route that may refuse in these ways of its own, with examples as they are on the wire."""
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
    """Both; where both know a status, with the examples and headers of both."""
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


def _body(status: int, code: str, title: str, detail: str, errors: Iterable[FieldError] = ()) -> dict[str, Any]:
    return {
        "type": f"urn:rewards:problem:{code}",
        "title": title,
        "status": status,
        "detail": shown(detail),
        "errors": [{name: shown(text) for name, text in vars(error).items()} for error in errors],
    }


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
    body = {**(members or {}), **_body(status, code, title, detail, errors)}
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def refusal(refused: RewardsError) -> JSONResponse:
    """The answer to a request that was refused."""
    bearer = {"WWW-Authenticate": "Bearer"} if isinstance(refused, NotAuthenticated) else {}
    headers = {**bearer, **refused.headers}
    return answer(
        *(refused.status, refused.code, refused.title, refused.detail),
        errors=refused.errors,
        headers=headers,
        members=refused.members,
    )


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
    return answer(BadInput.status, BadInput.code, BadInput.title, detail, errors=errors)


def _wrong(error: dict[str, Any], body: object) -> FieldError:
    if error["type"] == "json_invalid" and isinstance(body, str):
        return _not_json(error["ctx"]["error"], body, error["loc"][-1])
    field = ".".join(str(part) for part in error["loc"] if not _of_pydantic(part))
    return FieldError(_cut(field, LONGEST_FIELD), error["type"], error["msg"])


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"


def _not_json(reason: str, body: str, offset: int) -> FieldError:
    line, column = body.count("\n", 0, offset) + 1, offset - body.rfind("\n", 0, offset)
    return FieldError("body", "json_invalid", f"it is not JSON: {reason} at line {line}, column {column}")


def _of_pydantic(part: str | int) -> bool:
    """Where a field is one of two things, pydantic names its own validator after it: `function-after[…]`."""
    return isinstance(part, str) and part.endswith("]")


async def _http(request: Request, refused: Exception) -> JSONResponse:
    assert isinstance(refused, HTTPException)  # noqa: S101
    title = HTTPStatus(refused.status_code).phrase
    code = title.lower().replace(" ", "-")
    headers = dict(refused.headers or {})
    if refused.status_code == HTTPStatus.METHOD_NOT_ALLOWED:  # Starlette names those of the first route that it met
        headers["Allow"] = ", ".join(methods_at(request.app, request.scope))
    return answer(refused.status_code, code, title, str(refused.detail), headers=headers)


async def _unstorable(request: Request, refused: Exception) -> JSONResponse:
    """A value that no type of the database holds. One that was stored and can't be read is a fault of ours."""
    assert isinstance(refused, DataError)  # noqa: S101
    if request.method == "GET":
        return await _broken(request, refused)
    log.warning("a value can't be stored", path=request.url.path, error=type(refused).__name__)
    said = str(refused.diag.message_primary or refused)
    return answer(BadInput.status, BadInput.code, BadInput.title, f"a value can't be stored: {said}")


async def _busy(request: Request, refused: Exception) -> JSONResponse:
    """The database is away, read-only during a failover, or took longer than a request waits (app/pools.py)."""
    log.warning("database not available", error=str(refused).strip())
    known = request.method == "GET" or isinstance(refused, PoolTimeout) or getattr(refused, "sqlstate", None)
    return answer(
        503,
        "unavailable",
        "The platform is busy",
        "nothing was changed; try again shortly"
        if known
        else "the connection was lost, so whether it was done is not known; send it again with the same key",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


async def _broken(request: Request, error: Exception) -> JSONResponse:
    log.error("unhandled error", path=request.url.path, exc_info=error)
    return answer(500, "internal", "Something broke on our side", "nothing was changed; it has been logged")


def install(app: FastAPI) -> None:
    app.add_exception_handler(RewardsError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(DataError, _unstorable)
    app.add_exception_handler(PoolTimeout, _busy)
    app.add_exception_handler(OperationalError, _busy)
    for passing in (ReadOnlySqlTransaction, IdleInTransactionSessionTimeout, TransactionTimeout):
        app.add_exception_handler(passing, _busy)
    app.add_exception_handler(Exception, _broken)
