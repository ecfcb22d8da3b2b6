"""Cached public keys of token issuers, which background threads read.

Keys are read at start, refreshed before they are too old, and read again if a token has an unknown key id (at most once
in ASK_EVERY_S). While an issuer is unreachable its last keys stay valid.
"""

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from app.errors import NotAuthenticated, Unavailable
from app.jwks import PATIENCE_S, Keys, NoKeys

log = structlog.get_logger()

ASK_EVERY_S = 5.0
OLD_AFTER_S = 300.0
# Seconds after which a reading is abandoned and another may begin: a DNS lookup has no timeout of its own.
LOST_AFTER_S = 10.0
# Requests that may wait for a reading; more are refused at once, as each takes memory.
MOST_WAITING = 32
_NEVER = -math.inf


class KeySet:
    """One issuer's public keys by key id, as last read."""

    def __init__(self, issuer: str, read: Callable[[], Keys], ask_every_s: float = ASK_EVERY_S) -> None:
        """`read` returns the issuer's keys. It may block: it is called in a thread, one call at a time."""
        self.keys: Keys = {}
        self._issuer, self._read, self._ask_every_s = issuer, read, ask_every_s
        self._reading: Future[bool] = Future()  # its result is true on success
        self._reading.set_result(False)
        self._asked_at = self._read_at = _NEVER  # when the last reading began, and the last successful one
        self._lock, self._waiting, self._away = Lock(), 0, False

    async def key(self, key_id: str) -> RSAPublicKey:
        """Return the key with this id; if the id is unknown, read the keys again and wait up to PATIENCE_S.

        Raises NotAuthenticated if the issuer does not publish the key, Unavailable if its keys can't be read.
        """
        key = self.keys.get(key_id)
        if key is None:
            reading = self.ask()
            await self._wait(reading)
            key = self.keys.get(key_id)
            if key is None and reading.done() and reading.result():
                raise NotAuthenticated("the token is signed with a key that its issuer does not publish")
        if key is not None:
            return key
        rest = self._asked_at + self._ask_every_s - time.monotonic()
        raise Unavailable(
            "the keys of the token's issuer can't be had at the moment; ask again",
            headers={"Retry-After": str(max(1, math.ceil(rest)))},
        )

    def refresh(self) -> Future[bool]:
        """Start reading the keys if they are old or the last attempt failed; return the running or last attempt."""
        failed = self._read_at != self._asked_at
        old = time.monotonic() - self._read_at >= OLD_AFTER_S
        return self.ask() if failed or old else self._reading

    def ask(self) -> Future[bool]:
        """Start reading the keys unless an attempt began within `ask_every_s`; return the running or last attempt."""
        with self._lock:
            now = time.monotonic()
            over = self._reading.done() or now - self._asked_at >= LOST_AFTER_S
            if over and now - self._asked_at >= self._ask_every_s:
                self._asked_at, self._reading = now, Future()
                self._begin(now, self._reading)
            return self._reading

    def _begin(self, at: float, reading: Future[bool]) -> None:
        try:
            Thread(target=self._ask, args=(at, reading), name="issuer", daemon=True).start()
        except RuntimeError as error:
            self._log_failure(error)
            reading.set_result(False)

    def _ask(self, at: float, reading: Future[bool]) -> None:
        well = False
        try:
            keys = self._read()
        except Exception as error:
            self._log_failure(error)
        else:
            if reading is not self._reading:
                return  # abandoned: a later reading may have newer keys
            # An unchanged key stays the same object, so that tokens verified with it stay cached.
            self.keys = {name: self.keys[name] if self.keys.get(name) == key else key for name, key in keys.items()}
            self._read_at, well = at, True
            if self._away:
                log.info("an issuer's keys can be read again", issuer=self._issuer)
            self._away = False
        finally:
            reading.set_result(well)

    def _log_failure(self, error: Exception) -> None:
        if not self._away:
            log.warning("an issuer's keys can't be read", issuer=self._issuer, error=_reason(error))
        self._away = True

    async def _wait(self, reading: Future[bool]) -> None:
        if reading.done() or self._waiting >= MOST_WAITING:
            return
        self._waiting += 1
        try:
            await asyncio.wait([asyncio.wrap_future(reading)], timeout=PATIENCE_S)
        finally:
            self._waiting -= 1


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, NoKeys) else f"{type(error).__name__}: {error}"
