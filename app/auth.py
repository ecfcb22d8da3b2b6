"""Who calls: bearer tokens of the OIDC issuers named in the settings, and the roles they carry.

Cognito puts a person's groups into `cognito:groups`; the laptop's issuer does the same. The subject is the member's or
the vendor's own id. Every route names the roles it is for; one that names none is open to all.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Annotated, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname
from uuid import UUID

import jwt
from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPBearer

from app.errors import NotAllowed, NotAuthenticated
from app.settings import Issuer
from app.signing import Role

_REFRESH_SECONDS = 30
_REMEMBERED = 10_000


@dataclass(frozen=True)
class Caller:
    subject: UUID
    roles: frozenset[Role]

    @property
    def key(self) -> str:
        return str(self.subject)

    def may(self, role: Role) -> bool:
        return role in self.roles


class Tokens:
    """Checks tokens against the issuers' published keys. A kid not seen before makes it ask the issuer again."""

    def __init__(self, issuers: list[Issuer]) -> None:
        self._issuers = {issuer.issuer: issuer for issuer in issuers}
        self._keys: dict[tuple[str, str], Any] = {}
        self._asked: dict[str, float] = {}
        self._asking = Lock()
        self._remembered: dict[str, tuple[Caller, float]] = {}

    async def caller(self, token: str) -> Caller:
        """Raises NotAuthenticated, saying why. A token that was good is good until it runs out."""
        caller, until = self._remembered.get(token, (None, 0.0))
        if caller and time.time() < until:
            return caller
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        claims = await self._claims(token)
        self._remembered[token] = caller, _ = _caller(claims), float(claims["exp"])
        return caller

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            kid = str(jwt.get_unverified_header(token).get("kid"))
            claimed = jwt.decode(token, options={"verify_signature": False}).get("iss")
            issuer = self._issuers.get(str(claimed))
            if issuer is None:
                raise NotAuthenticated("the token's issuer is not one of this platform's")
            key: Any = self._keys.get((issuer.issuer, kid)) or await run_in_threadpool(self._ask, issuer, kid)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                issuer=issuer.issuer,
                audience=issuer.audience,
                options={"require": ["exp", "sub", "aud", "iss"]},
            )
            return claims
        except jwt.InvalidTokenError as refused:
            raise NotAuthenticated(f"the bearer token is not valid: {refused}") from None

    def _ask(self, issuer: Issuer, kid: str) -> Any:
        with self._asking:  # those who come meanwhile wait, and find the keys that the first one read
            since = time.monotonic() - self._asked.get(issuer.issuer, -_REFRESH_SECONDS)
            if (issuer.issuer, kid) not in self._keys and since >= _REFRESH_SECONDS:
                try:
                    found = _published(issuer.jwks_url)
                except (jwt.PyJWTError, OSError) as lost:
                    raise NotAuthenticated(f"the issuer's keys could not be read: {lost}") from None
                self._keys.update({(issuer.issuer, str(key.key_id)): key.key for key in found})
                self._asked[issuer.issuer] = time.monotonic()
        if (issuer.issuer, kid) not in self._keys:
            raise NotAuthenticated("the token is signed with a key that its issuer does not publish")
        return self._keys[issuer.issuer, kid]


def _published(url: str) -> list[jwt.PyJWK]:
    """An issuer's keys; a file's on one machine."""
    if url.startswith("file:"):
        return jwt.PyJWKSet.from_json(Path(url2pathname(urlsplit(url).path)).read_text()).keys
    return jwt.PyJWKClient(url, cache_keys=False).get_signing_keys(refresh=True)


def _caller(claims: dict[str, Any]) -> Caller:
    groups = claims.get("cognito:groups", [])
    try:
        subject = UUID(str(claims["sub"]))
    except ValueError:
        raise NotAuthenticated("the token's subject is not an id of this platform") from None
    return Caller(subject, frozenset(role for role in Role if isinstance(groups, list) and role in groups))


class Allow(HTTPBearer):
    """A dependency that lets only some roles in, and gives the caller."""

    def __init__(self, *roles: Role) -> None:
        super().__init__(
            scheme_name="bearer",
            bearerFormat="JWT",
            description="On one machine: `rewards token --help`",
            auto_error=False,
        )
        self.roles = frozenset(roles)

    async def __call__(self, request: Request) -> Caller:  # type: ignore[override]  # gives who it is, not what was sent
        return await self.caller(request.app.state.tokens, request.headers.get("authorization", ""))

    async def caller(self, tokens: Tokens, authorization: str) -> Caller:
        """Who sends this Authorization header. Raises NotAuthenticated, NotAllowed."""
        scheme, _, credentials = authorization.partition(" ")
        if scheme.lower() != "bearer" or not credentials.strip():
            raise NotAuthenticated("send a bearer token in the Authorization header")
        caller = await tokens.caller(credentials.strip())
        if not caller.roles & self.roles:
            raise NotAllowed(f"this is for {' or '.join(sorted(self.roles))}")
        return caller


Member = Annotated[Caller, Depends(Allow(Role.MEMBER))]
Vendor = Annotated[Caller, Depends(Allow(Role.VENDOR))]
Analyst = Annotated[Caller, Depends(Allow(Role.ANALYST, Role.ADMIN))]
Admin = Annotated[Caller, Depends(Allow(Role.ADMIN))]
