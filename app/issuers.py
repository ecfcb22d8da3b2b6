"""Cached key sets of issuers: requests find keys here, and a background thread reads them.

A key set is read at start, before it is old, and for an unknown key id, but at most once every ASK_EVERY_S. While the
issuer is unreachable its last keys stay.
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
# A reading that takes longer is given up, and another begins: looking an address up has no limit of its own.
LOST_AFTER_S = 10.0
# Callers that wait for a reading are held in memory: more of them are sent away at once.
MOST_WAITING = 32
_NEVER = -math.inf


class KeySet:
    """The keys of one issuer."""

    def __init__(self, issuer: str, read: Callable[[], Keys], ask_every_s: float = ASK_EVERY_S) -> None:
        """`read` may block: it runs in its own thread, once at a time."""
        self.keys: Keys = {}
        self._issuer, self._read, self._ask_every_s = issuer, read, ask_every_s
        self._reading: Future[bool] = Future()  # whether it was answered well
        self._reading.set_result(False)
        self._asked_at = self._read_at = _NEVER  # when the last reading began, and the last that was answered well
        self._lock, self._waiting, self._away = Lock(), 0, False

    async def key(self, key_id: str) -> RSAPublicKey:
        """Return a key; read the set and wait up to PATIENCE_S if the id is unknown.

        Raises NotAuthenticated if the issuer does not publish the key, Unavailable if the issuer can't be read.
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
        """Start a reading if the keys are old or the last one failed; return the current or last reading."""
        failed = self._read_at != self._asked_at
        old = time.monotonic() - self._read_at >= OLD_AFTER_S
        return self.ask() if failed or old else self._reading

    def ask(self) -> Future[bool]:
        """Start a reading unless one began within `ask_every_s`; return the current or last reading."""
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
        except RuntimeError as lost:
            self._tell_lost(lost)
            reading.set_result(False)

    def _ask(self, at: float, reading: Future[bool]) -> None:
        well = False
        try:
            keys = self._read()
        except Exception as lost:
            self._tell_lost(lost)
        else:
            if reading is not self._reading:
                return  # given up, and newer keys may be there
            # A key that stays is the same object: tokens that it has checked need not be checked again.
            self.keys = {name: self.keys[name] if self.keys.get(name) == key else key for name, key in keys.items()}
            self._read_at, well = at, True
            if self._away:
                log.info("an issuer's keys can be read again", issuer=self._issuer)
            self._away = False
        finally:
            reading.set_result(well)

    def _tell_lost(self, lost: Exception) -> None:
        if not self._away:
            log.warning("an issuer's keys can't be read", issuer=self._issuer, error=_reason(lost))
        self._away = True

    async def _wait(self, reading: Future[bool]) -> None:
        if reading.done() or self._waiting >= MOST_WAITING:
            return
        self._waiting += 1
        try:
            await asyncio.wait([asyncio.wrap_future(reading)], timeout=PATIENCE_S)
        finally:
            self._waiting -= 1


def _reason(lost: Exception) -> str:
    return str(lost) if isinstance(lost, NoKeys) else f"{type(lost).__name__}: {lost}"
