"""Doing a thing once: the same Idempotency-Key and body give the stored answer, whatever happened in between.

The work, the answer and the key commit in one transaction. Keys belong to their caller and are kept for a day; those
of anonymous callers belong to their address and body.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import Response
from psycopg import errors as postgres
from pydantic import BaseModel

from app import locks
from app.admission import shares
from app.clock import Clock
from app.db import Database, WriteSession
from app.errors import ClientLeft, InFlight, JustAnswered, KeyReused
from app.presence import has_left

KEPT = timedelta(hours=24)
TRIES = 3


@dataclass(frozen=True)
class _Claim:
    """Whether this transaction holds the key now, and what was answered under it before: nothing, where it is new."""

    held: bool
    body_hash: bytes | None
    status: int
    answer: str


@dataclass(frozen=True)
class Once:
    """Wraps a route's work: `once(caller.key, work)` runs it in a transaction, or replays what it answered before.

    What the work returns is answered as `model`, the route's; a model is answered as it is.
    """

    db: Database
    clock: Clock
    key: str
    body_hash: bytes
    status: int
    has_left: Callable[[], bool] = lambda: False
    address: str = ""
    model: type[BaseModel] | None = None

    def __call__(
        self,
        caller: str,
        work: Callable[[WriteSession], object],
        keep: Callable[[BaseModel], BaseModel] = lambda answer: answer,
    ) -> Response:
        """`keep` cuts out of the stored answer what may be shown only once. Raises KeyReused, InFlight, ClientLeft."""
        if self.has_left():
            raise ClientLeft("it left before its request was begun")
        for last_try in (False,) * (TRIES - 1) + (True,):
            try:
                with self.db.write() as session:
                    return self._answer(session, caller, work, keep)
            except (postgres.DeadlockDetected, postgres.SerializationFailure, JustAnswered):
                if last_try:
                    raise
        raise AssertionError("unreachable")

    def anonymous(
        self,
        work: Callable[[WriteSession], object],
        keep: Callable[[BaseModel], BaseModel] = lambda answer: answer,
    ) -> Response:
        """For a route that is open to all: a key counts together with its address and body, and is nobody else's.

        Nobody meets another's answer, nor learns from a refusal that another used the same key. Raises InFlight.
        """
        return self(f"anonymous {sha256(self.address.encode() + self.body_hash).hexdigest()}", work, keep)

    def stored(self, caller: str) -> Response | None:
        """Return the stored answer of this key, or None, so that costly preparation can be skipped.

        An answer that is committed at the same moment may be missed; calling this object finds it. Raises KeyReused if
        the key was used with another body.
        """
        with self.db.read() as session:
            rows = session.rows(
                """SELECT body_hash, status, answer FROM idempotency_keys
                   WHERE caller = %s AND key = %s AND answered_at >= %s""",
                (caller, self.key, self.clock.now() - KEPT),
            )
        if not rows:
            return None
        body_hash, status, answer = rows[0]
        self._must_match(body_hash)
        return _replayed(answer, status)

    def _must_match(self, body_hash: bytes | None) -> None:
        if body_hash not in (None, self.body_hash):
            raise KeyReused("this Idempotency-Key was used with another body; send a new key for a new request")

    def _answer(
        self,
        session: WriteSession,
        caller: str,
        work: Callable[[WriteSession], object],
        keep: Callable[[BaseModel], BaseModel],
    ) -> Response:
        claim = self._claim(session, caller)
        if claim.body_hash is not None:
            return _replayed(claim.answer, claim.status)
        answer = self._shown(work(session))
        body = answer.model_dump_json()
        kept = keep(answer)
        session.run(
            """INSERT INTO idempotency_keys (caller, key, body_hash, status, answer, answered_at)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            (
                *(caller, self.key, self.body_hash, self.status),
                *(body if kept is answer else kept.model_dump_json(), self.clock.now()),
            ),
        )
        return _json(body, self.status, {})

    def _shown(self, outcome: object) -> BaseModel:
        if isinstance(outcome, BaseModel):
            return outcome
        assert self.model is not None  # noqa: S101  without one, work returns a model
        return self.model.model_validate(outcome)

    def _claim(self, session: WriteSession, caller: str) -> _Claim:
        """Hold the key until the transaction ends, or find its answer.

        What was answered after the statement's look and before its lock is met when this answer is stored, and the
        request is tried again.
        """
        claim = session.one(
            _Claim,
            """WITH outdated AS (
                   DELETE FROM idempotency_keys WHERE caller = %(caller)s AND key = %(key)s AND answered_at < %(oldest)s
               )
               SELECT pg_try_advisory_xact_lock(hashtextextended(%(caller)s || %(key)s, %(seed)s)) AS held,
                      body_hash, status, answer
               FROM (VALUES (1)) AS one LEFT JOIN idempotency_keys
                    ON caller = %(caller)s AND key = %(key)s AND answered_at >= %(oldest)s""",
            {"caller": caller, "key": self.key, "oldest": self.clock.now() - KEPT, "seed": locks.REQUESTS},
        )
        assert claim is not None  # noqa: S101  its outer join always gives a row
        self._must_match(claim.body_hash)
        if not claim.held and claim.body_hash is None:
            raise InFlight("the same request is being worked on; ask again in a moment")
        return claim


def _replayed(body: str, status: int) -> Response:
    return _json(body, status, {"Idempotent-Replayed": "true"})


def _json(body: str, status: int, headers: dict[str, str]) -> Response:
    return Response(body, status, headers, "application/json")


def forget_old_keys(session: WriteSession, clock: Clock) -> int:
    """Drop the keys that are past their day; how many."""
    return session.count("DELETE FROM idempotency_keys WHERE answered_at < %s", (clock.now() - KEPT,))


Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Any text that is new for each new request; sending it again with the same body is safe",
        examples=["3f1c0f6e-6d1c-4c55-9a43-0d1c1b7a2f10"],
    ),
]


def request_line(request: Request) -> bytes:
    """What a request's body is hashed behind: the same body sent elsewhere is another request."""
    return f"{request.method} {request.url.path}?{request.url.query}\n".encode()


def once_for(request: Request, key: str, body_hash: bytes) -> Once:
    """`body_hash` is SHA-256 of `request_line` and the body."""
    state: Any = request.app.state
    route = request.scope["route"]
    address = shares.address_of(request.scope, state.settings.trusted_proxies)
    left = partial(has_left, request.scope)
    return Once(state.db, state.clock, key, body_hash, route.status_code or 200, left, address, route.response_model)


async def _once(request: Request, key: Key) -> Once:
    return once_for(request, key, sha256(request_line(request) + await request.body()).digest())


OnlyOnce = Annotated[Once, Depends(_once)]
