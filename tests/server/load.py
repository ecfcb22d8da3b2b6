"""An open-loop load generator: `python -m tests.server.load` reads a Plan from stdin and prints a list of Sent.

Requests are sent at planned times, whether or not earlier ones were answered. A client closes its connection when its
patience ends. Latency counts from the planned time; results are invalid if the generator is later than `MOST_LATE_S`.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import quantiles
from typing import cast

import uvloop

MOST_LATE_S = 0.25
"""The generator's lateness at the 99th percentile, past which a trial judges no server."""
_TICK_S = 0.002


@dataclass(frozen=True)
class Phase:
    """A load of `rate` requests a second; clients give up after `patience_s`, by turns the first or second value."""

    rate: float
    seconds: float
    patience_s: tuple[float, float] = (10.0, 10.0)


@dataclass(frozen=True)
class Plan:
    """The requests of a load: bodies and authorizations are used in rotation; `name` begins each idempotency key."""

    name: str
    port: int
    path: str
    authorizations: list[str]
    bodies: list[str]
    phases: list[Phase]


@dataclass(slots=True)
class Sent:
    """A request that was sent: `at` is its planned time and `late_s` how much later it was sent.

    `status` is 0 without an answer, `seconds` the time from `at` to the answer; `left_at`, when the client gave up, or
    0.
    """

    key: str
    phase: int
    at: float
    late_s: float = 0.0
    status: int = 0
    seconds: float = 0.0
    left_at: float = 0.0
    retry_after: str = ""


@dataclass(frozen=True)
class Lateness:
    """How much later than planned the load generator sent requests, in seconds."""

    p99: float
    most: float

    def __str__(self) -> str:
        return f"generator late by {self.p99:.3f} s at the 99th percentile, {self.most:.3f} s at most"


def lateness(sents: Sequence[Sent]) -> Lateness:
    """Return the generator's lateness. Raises AssertionError if it was too late for the results to be valid."""
    late = Lateness(percentile_99([sent.late_s for sent in sents]), max(sent.late_s for sent in sents))
    assert late.p99 <= MOST_LATE_S, f"The trial is unfit to judge the server on this machine: {late}."
    return late


def percentile_99(seconds: Sequence[float]) -> float:
    return quantiles(seconds, n=100, method="inclusive")[98]


class _Line(asyncio.Protocol):
    """A connection that has at most one request in progress."""

    def __init__(self, idle: "deque[_Line]") -> None:
        self._idle = idle
        self._transport: asyncio.Transport | None = None
        self._sent: Sent | None = None
        self._bytes = b""
        self._answer = b""
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._sent and not self._sent.left_at:
            self._transport.write(self._bytes)
        else:
            self._transport.close()

    def ask(self, sent: Sent, request: bytes, patience: float) -> None:
        self._sent, self._bytes, self._answer = sent, request, b""
        self._patience = asyncio.get_running_loop().call_later(patience, self._give_up)
        if self._transport:
            self._transport.write(request)

    def close(self) -> None:
        if self._transport:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if end and len(body) >= _field(head, b"content-length:", b"0"):
            self._done(head)

    def connection_lost(self, _: Exception | None) -> None:
        if self._patience:
            self._patience.cancel()
        if self in self._idle:
            self._idle.remove(self)

    def _done(self, head: bytes) -> None:
        sent = self._sent
        assert sent is not None
        assert self._patience is not None
        self._patience.cancel()
        sent.status, sent.seconds = int(head[9:12]), time.time() - sent.at
        sent.retry_after = str(_field(head, b"retry-after:", b"-1"))
        self._sent = None
        if b"connection: close" not in head.lower():
            self._idle.append(self)

    def _give_up(self) -> None:
        if self._sent:
            self._sent.left_at = time.time()
        self.close()


def _field(head: bytes, name: bytes, absent: bytes) -> int:
    low = head.lower()
    place = low.find(name)
    return int(absent if place < 0 else low[place + len(name) :].split(b"\r\n", 1)[0])


def run(plan: Plan) -> list[Sent]:
    """Run the load generator in a separate process, and return all requests that it sent."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.server.load"],
        input=json.dumps(asdict(plan)).encode(),
        capture_output=True,
        check=True,
    )
    assert not done.stderr, done.stderr[-2000:].decode()
    return [Sent(**sent) for sent in json.loads(done.stdout)]


async def _run(plan: Plan) -> list[Sent]:
    loop = asyncio.get_running_loop()
    idle: deque[_Line] = deque()
    sents: list[Sent] = []
    connecting: set[asyncio.Task[None]] = set()

    async def connect(line: _Line) -> None:
        try:
            await loop.create_connection(lambda: line, "127.0.0.1", plan.port)
        except OSError:
            line.connection_lost(None)

    def send(phase: int, late_s: float, patience: float) -> None:
        number = len(sents)
        sents.append(sent := Sent(f"{plan.name}-{number}", phase, time.time() - late_s, late_s))
        if not idle:
            line = _Line(idle)
            line.ask(sent, _request(plan, number, sent.key), patience)
            connecting.add(task := loop.create_task(connect(line)))
            task.add_done_callback(connecting.discard)
        else:
            idle.pop().ask(sent, _request(plan, number, sent.key), patience)

    begin = loop.time()
    for place, phase in enumerate(plan.phases):
        count, total = 0, round(phase.rate * phase.seconds)
        while count < total:
            due_by_now = min(total, (loop.time() - begin) * phase.rate)
            while count < due_by_now:
                send(place, loop.time() - begin - count / phase.rate, phase.patience_s[count % 2])
                count += 1
            await asyncio.sleep(_TICK_S)
        begin += phase.seconds
    await asyncio.sleep(max(plan.phases[-1].patience_s))
    for line in [*idle]:
        line.close()
    await asyncio.sleep(_TICK_S)
    return sents


def _request(plan: Plan, number: int, key: str) -> bytes:
    body = plan.bodies[number % len(plan.bodies)]
    caller = plan.authorizations[number % len(plan.authorizations)]
    return (
        f"POST {plan.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {caller}\r\nIdempotency-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _plan(read: dict[str, object], phases: Sequence[dict[str, object]]) -> Plan:
    made = [Phase(**{**phase, "patience_s": tuple(phase["patience_s"])}) for phase in phases]  # type: ignore[arg-type]
    return Plan(**{**read, "phases": made})  # type: ignore[arg-type]


if __name__ == "__main__":
    read = json.load(sys.stdin)
    json.dump([asdict(sent) for sent in uvloop.run(_run(_plan(read, read["phases"])))], sys.stdout)
