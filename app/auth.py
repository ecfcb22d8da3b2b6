"""Authentication by bearer tokens of the OIDC issuers in the settings, and the roles that the tokens carry.

An issuer's settings name the claim that lists a token's roles; the token's subject is the member's or vendor's id. A
role counts only if the token's issuer may grant it. A route names the roles that may call it; a route without roles is
open to all.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Self
from uuid import NAMESPACE_URL, UUID, uuid5

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

# Tolerated difference between the clocks of an issuer and of this machine.
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
    """The member, vendor, analyst or administrator who sent a request."""

    subject: UUID
    roles: frozenset[Role]

    @property
    def key(self) -> str:
        return str(self.subject)

    def may(self, role: Role) -> bool:
        return role in self.roles


@dataclass(frozen=True)
class _Checked:
    """A verified token's caller, its expiry in seconds since 1970, and the key that verified its signature."""

    caller: Caller
    until: float
    keys: KeySet
    key_id: str
    key: RSAPublicKey

    def counts(self) -> bool:
        """Return true if the token is still valid: it has not expired, and its issuer still publishes the key."""
        return time.time() < self.until and self.keys.keys.get(self.key_id) is self.key


class Tokens:
    """Verifies tokens with the keys that their issuers publish (app/issuers.py)."""

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
        """Start reading all issuers' keys, and wait up to PATIENCE_S for the results."""
        readings = [asyncio.wrap_future(keys.refresh()) for _, keys in self._issuers.values()]
        if readings:
            await asyncio.wait(readings, timeout=PATIENCE_S)

    async def keep(self) -> None:
        """Refresh each issuer's keys before they are too old, in a loop until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            for issuer, keys in self._issuers.values():
                try:
                    keys.refresh()
                except Exception:  # the other issuers' keys must still be read
                    log.exception("an issuer's keys can't be kept", issuer=issuer.issuer)

    async def caller(self, token: str) -> Caller:
        """Return a token's caller; verified tokens are cached until they expire or their key is withdrawn.

        Raises NotAuthenticated for an invalid token, and Unavailable if the issuer's keys can't be read.
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
        return _Checked(_caller(claims, issuer), until, keys, key_id, key)


def _reason(refused: Exception) -> str:
    """Return why a token was refused, without PyJWT's own message, which quotes the token."""
    return next((reason for kind, reason in _REASONS.items() if isinstance(refused, kind)), "it can't be read")


def _caller(claims: dict[str, Any], issuer: Issuer) -> Caller:
    groups = claims.get(issuer.roles_claim, [])
    try:
        subject = UUID(str(claims["sub"]))
    except ValueError:
        subject = None
    if issuer.any_subject and str(subject) != claims["sub"]:  # an id in other spelling is another's subject
        subject = uuid5(NAMESPACE_URL, f"{issuer.issuer} {claims['sub']}")
    if subject is None:
        raise NotAuthenticated("the token's subject is not an id of this platform")
    return Caller(subject, frozenset(role for role in issuer.roles if isinstance(groups, list) and role in groups))


class Allow(HTTPBearer):
    """A route's dependency that returns the caller if the caller has one of the roles."""

    def __init__(self, *roles: Role) -> None:
        super().__init__(
            scheme_name="bearer",
            bearerFormat="JWT",
            description="On one machine: `rewards token --help`",
            auto_error=False,
        )
        self.roles = frozenset(roles)

    async def __call__(self, request: Request) -> Caller:  # type: ignore[override]  # returns the caller, not the credentials
        return await self.caller(request.app.state.tokens, request.headers.get("authorization", ""))

    async def caller(self, tokens: Tokens, authorization: str) -> Caller:
        """Return the caller of a bearer token. Raises NotAuthenticated, or NotAllowed if the roles do not suffice."""
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
