"""Fixtures that run the API as a separate process, with raw sockets for its clients."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from app.local import postgres
from app.local.keys import Keys
from app.settings import Settings

Start = Callable[..., "Served"]
STARTS_WITHIN_S = 60


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["type"]).removeprefix("urn:rewards:problem:")


@dataclass(frozen=True)
class Served:
    port: int
    process: psutil.Process

    def connect(self, timeout: float = 30) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def say(self, *pieces: bytes) -> Answer:
        """Send the pieces on a new connection until the server refuses more, and return its answer."""
        with closing(self.connect()) as line:
            with suppress(ConnectionError):
                for piece in pieces:
                    line.sendall(piece)
            return answer(line)

    def rss_mib(self) -> float:
        return float(self.process.memory_info().rss) / 2**20


def answer(line: socket.socket) -> Answer:
    return answers(line, 1)[0]


def answers(line: socket.socket, number: int) -> list[Answer]:
    """Read `number` HTTP answers to pipelined requests. Raises ConnectionError if there are fewer."""
    read, whole = b"", []
    for _ in range(number):
        while b"\r\n\r\n" not in read:
            read += _more(line, read)
        head, _, read = read.partition(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        length = int(headers.get("content-length", "0"))
        while len(read) < length:
            read += _more(line, read)
        whole.append(Answer(int(first.split()[1]), headers, read[:length]))
        read = read[length:]
    return whole


def _more(line: socket.socket, read: bytes) -> bytes:
    piece = line.recv(65536)
    if not piece:
        raise ConnectionError(f"closed after {read!r}")
    return piece


def head(method: str, path: str, **fields: object) -> bytes:
    """Return the bytes of a request line and headers; an underscore in a header's name becomes a hyphen."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


LIVE = head("GET", "/health/live")


@pytest.fixture(scope="module")
def served(server: postgres.Server, issuer_keys: Keys) -> Iterator[Served]:
    """A running API with an empty database, for tests of requests that are refused before they reach the database."""
    settings = Settings(
        database_url=server.url("postgres"), issuers=issuer_keys.issuers(), signing_key=issuer_keys.private
    )
    with serving(settings, head_s=1, body_s=30, answer_s=1, connections=20, anonymous_writes_a_minute=1000) as served:
        yield served


@pytest.fixture
def serve(settings: Settings) -> Iterator[Start]:
    """Return a function that starts the API with the test's settings and the given changes."""
    with ExitStack() as running:

        def start(**changes: object) -> Served:
            return running.enter_context(serving(settings, **changes))

        yield start


@contextmanager
def serving(settings: Settings, **changes: object) -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "app.server", "127.0.0.1", str(port)],
        env={**os.environ, **variables(settings), **{f"REWARDS_{k.upper()}": str(v) for k, v in changes.items()}},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await(port, process)
        yield Served(port, psutil.Process(process.pid))
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def variables(settings: Settings) -> dict[str, str]:
    issuers = json.dumps([issuer.model_dump(mode="json") for issuer in settings.issuers])
    assert isinstance(settings.signing_key, Path)
    return {
        "REWARDS_DATABASE_URL": settings.database_url,
        "REWARDS_ISSUERS": issuers,
        "REWARDS_SIGNING_KEY": str(settings.signing_key),
        "REWARDS_POOL_SIZE": str(settings.pool_size),
    }


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        assert process.poll() is None, "it ended"
        assert time.monotonic() < deadline, "it did not start"
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)


@contextmanager
def open_lines(served: Served, number: int) -> Iterator[list[socket.socket]]:
    lines = [served.connect() for _ in range(number)]
    try:
        yield lines
    finally:
        for line in lines:
            line.close()
