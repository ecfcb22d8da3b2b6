"""Read the public keys that token issuers publish as JWK sets (RFC 7517).

The source is a URL, a file, a secret of AWS, or this process's own signing key. Reading is limited in time and size,
and entries that are not usable as signature keys are skipped.
"""

import json
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import jwt
from botocore.exceptions import BotoCoreError, ClientError
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from app.errors import RewardsError
from app.settings import Issuer, Settings
from app.signing import secret_text, signer_of

ALGORITHM = "RS256"
PATIENCE_S = 2.0
MOST_BYTES = 64 * 1024
MOST_KEYS = 32
_BITS = range(2048, 8192 + 1)

Keys = Mapping[str, RSAPublicKey]
"""Public keys by key id."""


class NoKeys(Exception):
    """An issuer's keys can't be read; the message says why."""


def source(issuer: Issuer, settings: Settings | None = None) -> Callable[[], Keys]:
    """Return a function that reads an issuer's public keys: from this process if it is the issuer, else from a URL."""
    if settings and settings.signs and issuer.issuer == settings.signing_issuer:
        return lambda: _read(lambda: json.dumps(signer_of(settings).jwks()).encode())
    return lambda: _read(lambda: _published(issuer.jwks_url))


def _read(content: Callable[[], bytes]) -> Keys:
    try:
        keys = usable(json.loads(content()))
    except (OSError, HTTPException, ValueError, RecursionError, BotoCoreError, ClientError, RewardsError) as error:
        raise NoKeys(f"{type(error).__name__}: {error}") from error
    if not keys:
        raise NoKeys("there is no usable key in what it published")
    return keys


def usable(document: object) -> Keys:
    """Return a JWK set's RSA signature keys by id, without private, weak and oversized ones."""
    entries = document.get("keys") if isinstance(document, dict) else None
    keys = {}
    for entry in entries[:MOST_KEYS] if isinstance(entries, list) else ():
        if isinstance(entry, dict) and (key := _key(entry)):
            keys[str(entry["kid"])] = key
    return keys


def _key(entry: dict[str, Any]) -> RSAPublicKey | None:
    fits = entry.get("kty") == "RSA" and entry.get("use", "sig") == "sig" and entry.get("alg", ALGORITHM) == ALGORITHM
    if not fits or not isinstance(entry.get("kid"), str):
        return None
    with suppress(jwt.PyJWTError, ValueError, TypeError):
        key = RSAAlgorithm.from_jwk(entry)
        if isinstance(key, RSAPublicKey) and key.key_size in _BITS:
            return key
    return None


def _published(url: str) -> bytes:
    if url.startswith("arn:"):
        return secret_text(url).encode()
    if url.startswith("file:"):
        return Path(url2pathname(urlsplit(url).path)).read_bytes()
    return _fetched(url)


def _fetched(url: str) -> bytes:
    """Return a URL's content, within PATIENCE_S and MOST_BYTES; redirects are refused."""
    address = urlsplit(url)
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=PATIENCE_S)
    connection.connect()
    # The connection's timeout holds for each read; this one ends a response that arrives byte by byte.
    cut = Timer(PATIENCE_S, _cut, (connection.sock,))
    cut.daemon = True
    cut.start()
    try:
        connection.request("GET", f"{address.path or '/'}?{address.query}".rstrip("?"), headers={"Connection": "close"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise NoKeys(f"it answered {answer.status}")
        content = answer.read(MOST_BYTES + 1)
    finally:
        cut.cancel()
        connection.close()
    if len(content) > MOST_BYTES:
        raise NoKeys(f"it answered with more than {MOST_BYTES} bytes")
    return content


def _cut(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
