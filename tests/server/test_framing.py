"""Tests of limits on chunk sizes, chunk extensions and trailers, and on clients that don't read their answers."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from itertools import chain, repeat

import pytest

from app.local import postgres
from app.local.keys import Keys
from app.settings import Settings
from tests.server.conftest import LIVE, Answer, Served, answer, answers, head, serving

MiB = 2**20
# Over as many bytes a refusal must have come, however many the kernel's buffers hold.
ENDLESS = 64 * MiB
CHUNKED = head("POST", "/vendors", Content_Type="application/json", Transfer_Encoding="chunked")
UNKNOWN = head("POST", "/orders", Content_Type="application/json", Transfer_Encoding="chunked")

ENDLESS_FRAMES = {
    "many trailers": (b"1\r\n{\r\n0\r\n", b"a: " + b"b" * 1000 + b"\r\n"),
    "one trailer": (b"1\r\n{\r\n0\r\na: ", b"b" * 65536),
    "one trailer's name": (b"1\r\n{\r\n0\r\n", b"b" * 65536),
    "one extension": (b"1;a=", b"b" * 65536),
    "an extension for each chunk": (b"", b"1;a=" + b"b" * 1000 + b"\r\n \r\n"),
    "tiny chunks": (b"", b"1\r\n \r\n"),
    "small chunks": (b"", b"30\r\n" + b" " * 0x30 + b"\r\n"),
}


def _sent(line: socket.socket, begun: bytes, unit: bytes) -> int:
    """Send `begun`, then `unit` repeatedly; return how many bytes were sent before the server closed the connection."""
    block = unit * max(1, 65536 // len(unit))
    sent = 0
    with suppress(ConnectionError):
        for piece in chain([begun], repeat(block, ENDLESS // len(block))):
            line.sendall(piece)
            sent += len(piece)
    return sent


@pytest.mark.parametrize("frames", ENDLESS_FRAMES.values(), ids=ENDLESS_FRAMES)
def test_what_frames_a_body_is_bounded(served: Served, frames: tuple[bytes, bytes]) -> None:
    before = served.rss_mib()
    with closing(served.connect()) as line:
        _sent(line, CHUNKED + frames[0], frames[1])
        refused = answer(line)
    assert (refused.status, refused.code) == (400, "bad-framing")
    assert refused.headers["connection"] == "close"
    assert served.rss_mib() - before < 16
    assert served.say(LIVE).status == 200


@pytest.mark.parametrize("frames", ENDLESS_FRAMES.values(), ids=ENDLESS_FRAMES)
def test_what_frames_a_body_that_was_refused_is_bounded_and_answered_once(
    served: Served, frames: tuple[bytes, bytes]
) -> None:
    before = served.rss_mib()
    with closing(served.connect()) as line:
        line.sendall(UNKNOWN)
        assert answer(line).status == 401
        assert _sent(line, *frames) < ENDLESS
        with pytest.raises(ConnectionError):
            answer(line)
    assert served.rss_mib() - before < 16
    assert served.say(LIVE).status == 200


def test_trailers_are_no_headers_and_modest_framing_is_taken(served: Served) -> None:
    """Small chunks, extensions and trailers are allowed, and the next request on the connection is served."""
    chunks = b"1\r\n{\r\n" + b"1;name=value\r\n}\r\n" + b"0\r\n"
    trailers = b"Authorization: Bearer nonsense\r\nContent-Type: text/plain\r\n" + b"a: b\r\n" * 200 + b"\r\n"
    with closing(served.connect()) as line:
        line.sendall(CHUNKED + chunks + trailers + LIVE)
        refused, alive = answers(line, 2)
    assert (refused.status, refused.code) == (422, "bad-input")
    assert alive.status == 200


def test_a_large_body_in_ordinary_chunks_is_taken(served: Served) -> None:
    chunk = b"40\r\n" + b" " * 64 + b"\r\n"
    with closing(served.connect()) as line:
        line.sendall(CHUNKED + chunk * 10_000 + b"0\r\n\r\n")
        assert answer(line).code == "bad-input"


# ── answers that nobody reads ───────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def patient(server: postgres.Server, issuer_keys: Keys) -> Iterator[Served]:
    """A running API that waits long for slow readers, and serves only two requests at a time."""
    settings = Settings(
        database_url=server.url("postgres"), issuers=issuer_keys.issuers(), signing_key=issuer_keys.private
    )
    with serving(settings, answer_s=120, requests_in_work=2, requests_waiting=2) as served:
        yield served


@pytest.mark.parametrize("path", ["/static-offline-docs/swagger-ui-bundle.js", "/openapi.json"])
def test_who_does_not_read_an_answer_keeps_no_place_from_others(patient: Served, path: str) -> None:
    with ExitStack() as open_lines:
        for _ in range(8):
            line = open_lines.enter_context(socket.socket())
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            line.connect(("127.0.0.1", patient.port))
            line.sendall(head("GET", path) * 4)
            time.sleep(0.1)  # each is answered as far as it goes before the next one asks
        statuses = {_in_its_turn(patient).status for _ in range(10)}
    assert statuses == {200}


def _in_its_turn(patient: Served) -> Answer:
    return patient.say(head("GET", "/docs"))
