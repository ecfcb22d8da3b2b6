"""OAuth routes: issue access tokens for vendors' client credentials (RFC 6749), and publish the tokens' public key.

`app/admission` limits failed attempts: it counts the 401 answers that each client got from the token route.
"""

import time
from base64 import b64decode
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from app.db import Database
from app.errors import NotAuthenticated
from app.routing import Router
from app.settings import Settings
from app.signing import Role, signer_of
from app.vendors import service
from app.vendors.schemas import TokenErrorOut, TokenIn, TokenOut
from app.wiring import Config, Db

router = Router(tags=["vendors"])

TOKEN_SECONDS = 900  # the lifetime of an access token
_MOST_BYTES = 4096
_MOST_FIELDS = 20
_FORM = "application/x-www-form-urlencoded"
_DOCUMENTED: dict[str, Any] = {
    "requestBody": {"required": True, "content": {_FORM: {"schema": TokenIn.model_json_schema()}}}
}
_NOT_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="rewards", charset="UTF-8"'}


class Error(StrEnum):
    """The error codes of RFC 6749, 5.2, that the token route returns."""

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_SCOPE = "invalid_scope"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"


@dataclass
class TokenRefused(Exception):
    """Raised if no token is issued; becomes the error answer of RFC 6749, 5.2."""

    error: Error
    description: str

    def answer(self) -> JSONResponse:
        unknown = self.error is Error.INVALID_CLIENT
        body = {"error": self.error, "error_description": self.description}
        return JSONResponse(body, 401 if unknown else 400, {**_NOT_KEPT, **(_CHALLENGE if unknown else {})})


@dataclass(frozen=True)
class Client:
    """The client id and secret in a token request, before they are checked."""

    client_id: str
    secret: str


@router.get("/oauth/jwks.json", summary="The public key that vendors' tokens are signed with")
def get_published_keys(settings: Config) -> dict[str, Any]:
    """Returns the public keys, as a JWK set (RFC 7517), with which services verify vendors' tokens."""
    return signer_of(settings).jwks()


@router.post(
    "/oauth/token",
    summary="A vendor's access token",
    response_model=TokenOut,
    max_body_size=_MOST_BYTES,
    openapi_extra=_DOCUMENTED,
    responses={400: {"model": TokenErrorOut}, 401: {"model": TokenErrorOut}},
)
async def issue_token(request: Request, db: Db, settings: Config) -> Response:
    """Issues an access token to a vendor for its client credentials, sent by HTTP Basic or in the form (RFC 6749)."""
    try:
        form = _form(request.headers.get("content-type", ""), await request.body())
        _check_grant(form)
        client = _client(request.headers.getlist("authorization"), form)
        answer = await run_in_threadpool(_signed, db, settings, client)
    except TokenRefused as refusal:
        return refusal.answer()
    return Response(answer.model_dump_json(), 200, _NOT_KEPT, "application/json")


def _signed(db: Database, settings: Settings, client: Client) -> TokenOut:
    try:
        with db.read() as session:
            vendor_id = service.authenticate(session, client.client_id, client.secret)
    except NotAuthenticated as refusal:
        raise TokenRefused(Error.INVALID_CLIENT, refusal.detail) from None
    # Uses the system's time, not the program's clock, because verifiers of the token do.
    signed = signer_of(settings).token(vendor_id, Role.VENDOR, time.time(), TOKEN_SECONDS)
    return TokenOut(access_token=signed, token_type="Bearer", expires_in=TOKEN_SECONDS)  # noqa: S106


def _form(content_type: str, body: bytes) -> dict[str, str]:
    """Parse a form's body. A field without a value counts as missing; a repeated field is refused (RFC 6749, 3.2)."""
    if content_type.partition(";")[0].strip().lower() != _FORM or len(body) > _MOST_BYTES:
        raise TokenRefused(Error.INVALID_REQUEST, f"send {_FORM} of at most {_MOST_BYTES} bytes")
    try:
        fields = parse_qsl(body.decode(), errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise TokenRefused(Error.INVALID_REQUEST, "the form is not UTF-8, or has too many fields") from None
    if len(dict(fields)) < len(fields):
        raise TokenRefused(Error.INVALID_REQUEST, "a field of the form comes more than once")
    return dict(fields)


def _check_grant(form: dict[str, str]) -> None:
    if "grant_type" not in form:
        raise TokenRefused(Error.INVALID_REQUEST, "grant_type is missing")
    if form["grant_type"] != "client_credentials":
        raise TokenRefused(Error.UNSUPPORTED_GRANT_TYPE, "grant_type must be client_credentials")
    if "scope" in form:
        raise TokenRefused(Error.INVALID_SCOPE, "there are no scopes: a token is for all that a vendor may do")


def _client(authorization: list[str], form: dict[str, str]) -> Client:
    """Read credentials from HTTP Basic or from the form, but not from both (RFC 6749, 2.3)."""
    if not authorization:
        if "client_id" not in form or "client_secret" not in form:
            raise TokenRefused(Error.INVALID_CLIENT, "send client_id and client_secret, by HTTP Basic or in the form")
        return Client(form["client_id"], form["client_secret"])
    if len(authorization) > 1 or "client_secret" in form:
        raise TokenRefused(Error.INVALID_REQUEST, "say who you are in one way only")
    client = _of_basic(authorization[0])
    if form.get("client_id", client.client_id) != client.client_id:
        raise TokenRefused(Error.INVALID_REQUEST, "client_id in the form is not that of HTTP Basic")
    return client


def _of_basic(authorization: str) -> Client:
    """Decode HTTP Basic credentials. Id and secret are form-encoded each, then joined by a colon (RFC 6749, 2.3.1)."""
    scheme, _, credentials = authorization.partition(" ")
    try:
        client_id, colon, secret = b64decode(credentials.strip(), validate=True).decode().partition(":")
        if scheme.lower() == "basic" and colon:
            return Client(unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict"))
    except ValueError:
        pass
    raise TokenRefused(Error.INVALID_CLIENT, "the Authorization header is not one of HTTP Basic")
