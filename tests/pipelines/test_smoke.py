"""Tests of the smoke test against the application itself, and against servers that are not the application."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
import uvicorn

from app.main import create_app
from app.migrations import head
from app.settings import Settings
from pipelines import smoke


class _Answers(BaseHTTPRequestHandler):
    """A server with one answer for each path; any other path gets a load balancer's 503."""

    answers: ClassVar[dict[str, tuple[int, bytes]]] = {}

    def do_GET(self) -> None:
        code, body = self.answers.get(self.path, (503, b"no healthy target"))
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def health(status: str, schema: str = "") -> tuple[int, bytes]:
    return 200, json.dumps({"status": status, "schema_version": schema or head()}).encode()


GOOD = {"/health/live": health("up"), "/health/ready": health("ready"), "/products": (401, b"{}")}


def faults(address: str, answers: dict[str, tuple[int, bytes]], schema: str | None = None) -> list[str]:
    _Answers.answers = answers
    return list(smoke.faults(address, ["/products"], schema))


def test_the_schema_that_this_commit_needs_is_read_off_its_migrations() -> None:
    assert smoke.newest_schema() == head()


def test_an_environment_that_answers_as_it_should_passes(address: str) -> None:
    assert not faults(address, GOOD, head())
    assert smoke.main([address, "/products", "--delivered"]) == 0


@pytest.mark.parametrize(
    ("path", "answer", "message"),
    [
        ("/health/live", health("down"), "/health/live: it is down, not up"),
        ("/health/ready", health("behind"), "/health/ready: it is behind, not ready"),
        ("/health/ready", (500, b""), "/health/ready: 500, not 200"),
        ("/health/live", (200, b"<html>parked</html>"), "/health/live: the answer is not JSON"),
        ("/health/live", health("up", "0001"), "/health/live: it is of schema 0001, this commit of"),
        ("/products", (503, b""), "/products: 503; no service answers it"),
    ],
)
def test_each_wrong_answer_is_told(address: str, path: str, answer: tuple[int, bytes], message: str) -> None:
    (fault,) = faults(address, {**GOOD, path: answer}, head())
    assert fault.startswith(message)


def test_a_wrong_answer_fails_after_its_tries(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    _Answers.answers = {}
    assert smoke.main([address, "--tries", "2"], pause=0) == 1
    assert capsys.readouterr().err.count("\n") == 2


def test_nobody_there_is_told_and_plain_http_is_not_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert smoke.main(["http://127.0.0.1:9", "--tries", "1"]) == 1
    assert "no answer" in capsys.readouterr().err
    assert smoke.main(["http://rewards.example", "--tries", "1"]) == 1
    assert "it is not https" in capsys.readouterr().err


def test_the_application_passes(settings: Settings) -> None:
    config = uvicorn.Config(create_app(settings), host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        assert smoke.main([f"http://127.0.0.1:{port}", "/products", "/orders", "--delivered"]) == 0
    finally:
        server.should_exit = True
        thread.join()
