"""Idempotency keys: a repeated request, with the same Idempotency-Key and body, gets the stored response.

A request's changes, response and key commit in one transaction. Keys are kept for a day, for each caller; an anonymous
caller is identified by address and body.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request
from fastapi.responses import Response
from psycopg import errors as postgres
from pydantic import BaseModel

from app import locks
from app.admission import rate_limits
from app.clock import Clock
from app.db import Database, WriteSession
from app.errors import ClientLeft, InFlight, JustAnswered, KeyReused
from app.presence import has_left

KEPT = timedelta(hours=24)
_REPLAYED = {"Idempotent-Replayed": "true"}
TRIES = 3
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

Work = Callable[[WriteSession], object]
Keep = Callable[[BaseModel], BaseModel]


@dataclass(frozen=True)
class _Claim:
    """An idempotency key: whether we hold its lock, and its stored response; `body_hash` is None if none is stored."""

    held: bool
    body_hash: bytes | None
    status: int
    answer: str


@dataclass(frozen=True)
class Once:
    """Runs a request's work once: `once(caller.key, work)` runs it in a transaction, or replays the stored response.

    `work` returns a response model, or an object from which `model`, the route's response model, is validated.
    """

    db: Database
    clock: Clock
    key: str
    body_hash: bytes
    status: int
    has_left: Callable[[], bool] = lambda: False
    address: str = ""
    model: type[BaseModel] | None = None

    def __call__(self, caller: str, work: Work, keep: Keep | None = None) -> Response:
        """Run the work, or replay its stored response. `keep` removes secrets from the response that is stored.

        Raises KeyReused for a key with another body, InFlight if the first request is running, and ClientLeft if
        the client has disconnected.
        """
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

    def anonymous(self, work: Work, keep: Keep | None = None) -> Response:
        """Run the work, or replay its response, for a caller without a token, identified by address and body.

        So no caller gets another caller's response, or learns that another used the same key. Raises InFlight.
        """
        return self(f"anonymous {sha256(self.address.encode() + self.body_hash).hexdigest()}", work, keep)

    def stored(self, caller: str) -> Response | None:
        """Return the key's stored response or None, so that a repeated request can skip costly preparation.

        May miss a response that is being committed, which `__call__` finds. Raises KeyReused for another body.
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
        return _json(answer, status, _REPLAYED)

    def _must_match(self, body_hash: bytes | None) -> None:
        if body_hash not in (None, self.body_hash):
            raise KeyReused("this Idempotency-Key was used with another body; send a new key for a new request")

    def _answer(self, session: WriteSession, caller: str, work: Work, keep: Keep | None) -> Response:
        claim = self._claim(session, caller)
        if claim.body_hash is not None:
            return _json(claim.answer, claim.status, _REPLAYED)
        answer = self._shown(work(session))
        body = answer.model_dump_json()
        stored = keep(answer).model_dump_json() if keep else body
        session.run(
            """INSERT INTO idempotency_keys (caller, key, body_hash, status, answer, answered_at)
               VALUES (%s, %s, %s, %s, %s, %s)""",
            (caller, self.key, self.body_hash, self.status, stored, self.clock.now()),
        )
        return _json(body, self.status)

    def _shown(self, outcome: object) -> BaseModel:
        if isinstance(outcome, BaseModel):
            return outcome
        assert self.model is not None  # noqa: S101  without `model`, work returns a model
        return self.model.model_validate(outcome)

    def _claim(self, session: WriteSession, caller: str) -> _Claim:
        """Lock the key until the transaction ends, and read its stored response. Raises InFlight if already locked.

        If another request stores its response between our snapshot and our lock, our INSERT conflicts and we retry.
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
        assert claim is not None  # noqa: S101  the outer join always returns a row
        self._must_match(claim.body_hash)
        if not claim.held and claim.body_hash is None:
            raise InFlight("the same request is being worked on; ask again in a moment")
        return claim


def _json(body: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, headers, "application/json")


def forget_old_keys(session: WriteSession, clock: Clock) -> int:
    """Delete the idempotency keys older than a day, and return their number."""
    return session.count("DELETE FROM idempotency_keys WHERE answered_at < %s", (clock.now() - KEPT,))


def forget(session: WriteSession, caller: str, ids: Sequence[UUID]) -> None:
    """Delete a caller's idempotency keys, and all keys whose stored responses contain one of the ids."""
    session.run(
        f"""DELETE FROM idempotency_keys k WHERE caller = %s OR EXISTS (
                SELECT FROM regexp_matches(k.answer, '{_UUID}', 'g') AS matches (ids)
                JOIN unnest(%s::text[]) AS id ON id = matches.ids[1])""",
        (caller, [str(id_) for id_ in ids]),
    )


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
    """Return a request's method, path and query. Like the body, they must be the same if a key is used again."""
    return f"{request.method} {request.url.path}?{request.url.query}\n".encode()


def once_for(request: Request, key: str, body_hash: bytes) -> Once:
    """Return the object that runs a request's work once per key; `body_hash` is SHA-256 of `request_line` and body."""
    state: Any = request.app.state
    route = request.scope["route"]
    address = rate_limits.address_of(request.scope, state.settings.trusted_proxies)
    left = partial(has_left, request.scope)
    return Once(state.db, state.clock, key, body_hash, route.status_code or 200, left, address, route.response_model)


async def _once(request: Request, key: Key) -> Once:
    return once_for(request, key, sha256(request_line(request) + await request.body()).digest())


OnlyOnce = Annotated[Once, Depends(_once)]
