"""Sign bearer tokens of vendors, and on a platform that runs on one machine also those of all other roles."""

import base64
import json
from enum import StrEnum
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import jwt
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import RSAAlgorithm

from app import aws
from app.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from app.settings import Settings

AUDIENCE = "rewards"
PEOPLE = "rewards-people"
"""The issuer, on one machine, of all tokens but vendors'."""


class Role(StrEnum):
    MEMBER = "member"
    VENDOR = "vendor"
    ANALYST = "analyst"
    ADMIN = "admin"


class Signer:
    """Signs RS256 tokens with a private key, and returns the public key as a JWK set."""

    def __init__(self, key: RSAPrivateKey, issuer: str) -> None:
        self._key, self._issuer = key, issuer
        public: dict[str, Any] = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self._public = {part: public[part] for part in ("e", "kty", "n")}
        self._kid = _thumbprint(self._public)

    @classmethod
    def read(cls, pem: Path | None, issuer: str, secret: str | None = None) -> "Signer":
        """Return a Signer with the key of a file or secret. Raises Misconfigured, or Unavailable if AWS is down."""
        if pem is None and secret is None:
            raise Misconfigured("REWARDS_SIGNING_KEY is not set: this process can't sign vendors' tokens")
        try:
            key = load_pem_private_key(pem.read_bytes() if pem else _of_secret(str(secret)), password=None)
        except BotoCoreError as error:
            raise Unavailable(f"the secret with the signing key can't be had: {type(error).__name__}") from error
        except (OSError, ValueError, KeyError, TypeError, ClientError) as refused:
            raise Misconfigured(f"the signing key {pem or secret} can't be read: {refused}") from None
        if not isinstance(key, RSAPrivateKey):
            raise Misconfigured(f"the signing key {pem or secret} is not an RSA key")
        return cls(key, issuer)

    def token(self, subject: UUID, role: Role, now: float, seconds: int) -> str:
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": str(subject),
            "iat": int(now),
            "exp": int(now) + seconds,
            "cognito:groups": [role],
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self._kid})

    def jwks(self) -> dict[str, Any]:
        return {"keys": [{**self._public, "kid": self._kid, "use": "sig", "alg": "RS256"}]}


def new_key() -> bytes:
    """Generate an RSA private key of 2,048 bits, in PEM."""
    return generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


_signer = cache(Signer.read)


def signer_of(settings: "Settings") -> Signer:
    """Return the cached signer of vendors' tokens. Raises Misconfigured for a bad key, Unavailable if AWS is down."""
    return _signer(settings.signing_key, settings.signing_issuer, settings.signing_key_secret)


def signer_of_people(settings: "Settings") -> Signer:
    """Return the signer of all tokens but vendors'. Raises Misconfigured if no key is set: in AWS, Cognito signs."""
    if settings.people_key is None:
        raise Misconfigured("REWARDS_PEOPLE_KEY is not set: only one machine signs people's tokens itself")
    return _signer(settings.people_key, PEOPLE)


def secret_text(arn: str) -> str:
    """Return the text of an AWS secret, within about 1 s. Raises botocore's errors."""
    secrets = aws.client("secretsmanager", connect_s=1, read_s=1, tries=1)
    text: str = secrets.get_secret_value(SecretId=arn)["SecretString"]
    return text


def _of_secret(arn: str) -> bytes:
    return str(json.loads(secret_text(arn))["private_key"]).encode()


def _thumbprint(public: dict[str, Any]) -> str:
    """Return the public key's JWK thumbprint (RFC 7638), its key id."""
    digest = sha256(json.dumps(public, sort_keys=True, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
