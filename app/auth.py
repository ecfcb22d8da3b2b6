"""Authentication: bearer tokens of the OIDC issuers in the settings, and the roles that they carry.

Cognito puts a person's groups into `cognito:groups`, as the one-machine issuers do. The subject is the member's or
vendor's own id. A role counts only from an issuer that may grant it. Every route names its roles; one without roles is
open to all.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Self
from uuid import UUID

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from app import jwks
from app.errors import NotAllowed, NotAuthenticated
from app.issuers import ASK_EVERY_S, KeySet
from app.jwks import PATIENCE_S, Keys
from app.settings import Issuer, Settings
from app.signing import Role

log = structlog.get_logger()

# Clocks of issuers and of this machine differ by seconds.
LEEWAY_S = 5
_REMEMBERED = 10_000
_REMEMBERED_S = 900
_LONGEST = 8_192
_LOOK_EVERY_S = 1.0
_REASONS = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it is not yet valid",
    jwt.InvalidSignatureError: "its signature is not its issuer's",
    jwt.InvalidAlgorithmError: f"its algorithm must be {jwks.ALGORITHM}",
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.MissingRequiredClaimError: "it lacks one of exp, sub, aud and iss",
}


@dataclass(frozen=True)
class Caller:
    subject: UUID
    roles: frozenset[Role]

    @property
    def key(self) -> str:
        return str(self.subject)

    def may(self, role: Role) -> bool:
        return role in self.roles


@dataclass(frozen=True)
class _Checked:
    """A valid token's caller and expiry, and the key that verified it."""

    caller: Caller
    until: float
    keys: KeySet
    key_id: str
    key: RSAPublicKey

    def counts(self) -> bool:
        """Return true until the token expires or its key is withdrawn."""
        return time.time() < self.until and self.keys.keys.get(self.key_id) is self.key


class Tokens:
    """Verifies tokens with the issuers' published keys (app/issuers.py)."""

    def __init__(
        self,
        issuers: Iterable[Issuer],
        source: Callable[[Issuer], Callable[[], Keys]] = jwks.source,
        ask_every_s: float = ASK_EVERY_S,
    ) -> None:
        self._issuers = {
            issuer.issuer: (issuer, KeySet(issuer.issuer, source(issuer), ask_every_s)) for issuer in issuers
        }
        self._checked: dict[bytes, _Checked] = {}

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.issuers, lambda issuer: jwks.source(issuer, settings))

    async def start(self) -> None:
        """Read all issuers' keys, waiting up to PATIENCE_S for them."""
        readings = [asyncio.wrap_future(keys.refresh()) for _, keys in self._issuers.values()]
        if readings:
            await asyncio.wait(readings, timeout=PATIENCE_S)

    async def keep(self) -> None:
        """Refresh the keys before they are old, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for issuer, keys in self._issuers.values():
                try:
                    keys.refresh()
                except Exception:  # one issuer's fault must not end the keeping of all
                    log.exception("an issuer's keys can't be kept", issuer=issuer.issuer)

    async def caller(self, token: str) -> Caller:
        """Return a token's caller. A verified token is cached until it expires or its key is withdrawn.

        Raises NotAuthenticated with the reason, and Unavailable if the issuer's keys can't be read.
        """
        if len(token) > _LONGEST:
            raise NotAuthenticated(f"the bearer token is longer than {_LONGEST} characters")
        name = sha256(token.encode("utf-8", "surrogateescape")).digest()
        checked = self._checked.get(name)
        if checked is None or not checked.counts():
            self._checked.pop(name, None)
            checked = await self._check(token)
            if len(self._checked) >= _REMEMBERED:
                del self._checked[next(iter(self._checked))]  # the oldest
            self._checked[name] = checked
        return checked.caller

    async def _check(self, token: str) -> _Checked:
        try:
            key_id = str(jwt.get_unverified_header(token).get("kid"))
            claimed = jwt.decode(token, options={"verify_signature": False}).get("iss")
            issuer, keys = self._issuers.get(str(claimed), (None, None))
            if issuer is None or keys is None:
                raise NotAuthenticated("the token's issuer is not one of this platform's")
            key = await keys.key(key_id)
            claims = jwt.decode(
                token,
                key,
                algorithms=[jwks.ALGORITHM],
                issuer=issuer.issuer,
                audience=issuer.audience,
                leeway=LEEWAY_S,
                options={"require": ["exp", "sub", "aud", "iss"]},
            )
        except (jwt.PyJWTError, RecursionError, UnicodeError) as refused:
            raise NotAuthenticated(f"the bearer token is not valid: {_reason(refused)}") from None
        until = min(int(claims["exp"]) + LEEWAY_S, time.time() + _REMEMBERED_S)
        return _Checked(_caller(claims, issuer.roles), until, keys, key_id, key)


def _reason(refused: Exception) -> str:
    """Return the reason in our words: the library's messages quote the token."""
    return next((reason for kind, reason in _REASONS.items() if isinstance(refused, kind)), "it can't be read")


def _caller(claims: dict[str, Any], may_give: Collection[Role]) -> Caller:
    groups = claims.get("cognito:groups", [])
    try:
        subject = UUID(str(claims["sub"]))
    except ValueError:
        raise NotAuthenticated("the token's subject is not an id of this platform") from None
    return Caller(subject, frozenset(role for role in may_give if isinstance(groups, list) and role in groups))


class Allow(HTTPBearer):
    """A dependency that admits some roles and returns the caller."""

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
        """Return the caller of an Authorization header. Raises NotAuthenticated, NotAllowed."""
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
