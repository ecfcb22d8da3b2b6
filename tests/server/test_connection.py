"""Tests of the API server's limits on connections, over raw sockets."""

import json
import socket
import time
from contextlib import suppress

import pytest

from tests.conftest import Until
from tests.server.conftest import LIVE, Served, answer, answers, head, open_lines


def closed(line: socket.socket) -> bool:
    """Return whether the server closed the connection, possibly after sending data."""
    line.settimeout(0.2)
    try:
        while line.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def test_requests_follow_each_other_on_one_connection(served: Served) -> None:
    with served.connect() as line:
        for _ in range(3):
            line.sendall(LIVE)
            assert answer(line).status == 200
        line.sendall(LIVE * 3)
        assert [each.status for each in answers(line, 3)] == [200, 200, 200]


def test_a_head_that_never_ends_is_cut_off(served: Served, until: Until) -> None:
    with served.connect() as line:
        line.sendall(LIVE[:-2])
        begun = time.monotonic()
        refused = answer(line)
        assert (refused.status, refused.code) == (408, "too-slow")
        assert time.monotonic() - begun < 10
        until(lambda: closed(line))


def test_a_head_that_trickles_on_an_old_connection_is_cut_off(served: Served) -> None:
    with served.connect() as line:
        line.sendall(LIVE)
        assert answer(line).status == 200
        line.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert answer(line).status == 408


def test_a_connection_that_says_nothing_is_closed_without_a_word(served: Served) -> None:
    with served.connect() as line:
        assert line.recv(100) == b""


@pytest.mark.parametrize(
    "endless",
    [b"X: " + b"a" * 100_000, b"a: b\r\n" * 20_000, b"a: b\r\n" * 200],
    ids=["long", "many", "a few too many"],
)
def test_a_head_that_is_too_large_is_refused_and_costs_no_memory(served: Served, endless: bytes) -> None:
    before = served.rss_mib()
    line_and_host = head("GET", "/health/live")[:-2]
    refused = served.say(line_and_host, *(endless for _ in range(0, 64 * 2**20, max(len(endless), 2**20))), b"\r\n\r\n")
    assert (refused.status, refused.code) == (431, "head-too-large")
    assert served.rss_mib() - before < 16
    assert served.say(LIVE).status == 200


def test_a_large_body_in_one_piece_with_its_head_is_no_large_head(served: Served) -> None:
    body = b'{"name": "' + b"a" * 200_000 + b'"}'
    sent = head("POST", "/vendors", Content_Type="application/json", Content_Length=len(body)) + body
    assert served.say(sent).code == "bad-input"


def test_a_body_of_one_byte_a_second_is_cut_off(served: Served, until: Until) -> None:
    with served.connect() as line:
        line.sendall(head("POST", "/vendors", Content_Type="application/json", Content_Length=50_000))
        line.setblocking(False)
        seen = b""

        def refused() -> bool:
            nonlocal seen
            with suppress(BlockingIOError, ConnectionError):
                line.sendall(b"a")
            with suppress(BlockingIOError, ConnectionError):
                seen += line.recv(65536)
            return b" 408 " in seen

        until(refused)


def test_what_follows_a_refusal_is_dropped_and_the_answer_still_read(served: Served) -> None:
    before = served.rss_mib()
    announced = head("POST", "/vendors", Content_Type="application/json", Content_Length=100 * 2**20)
    refused = served.say(announced, *(b"[" * 2**20 for _ in range(100)))
    assert (refused.status, refused.code) == (413, "too-large")
    assert served.rss_mib() - before < 16


def test_a_body_without_announced_length_is_counted(served: Served) -> None:
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    chunked = head("POST", "/vendors", Content_Type="application/json", Transfer_Encoding="chunked")
    refused = served.say(chunked, *(piece for _ in range(400)))
    assert (refused.status, refused.code) == (413, "too-large")


def test_who_waits_for_leave_to_send_a_body_gets_none_when_it_would_be_refused(served: Served) -> None:
    fields = {"Expect": "100-continue", "Content_Type": "application/json", "Content_Length": 10}
    with served.connect() as line:
        line.sendall(head("POST", "/orders", **fields))
        assert answer(line).status == 401


def test_idle_connections_make_room_for_new_ones(served: Served, until: Until) -> None:
    """When all places for connections are taken, a new one replaces one that was idle for a second."""
    with open_lines(served, 20) as lines:
        for line in lines:
            line.sendall(LIVE)
            assert answer(line).status == 200
        until(lambda: served.say(LIVE).status == 200)
        assert sum(closed(line) for line in lines) >= 1


def test_requests_piled_up_on_one_connection_are_bounded(served: Served) -> None:
    before = served.rss_mib()
    with served.connect() as line, suppress(ConnectionError):
        for _ in range(50):
            line.sendall(LIVE * 5_000)
    assert served.rss_mib() - before < 32
    assert served.say(LIVE).status == 200


def test_what_is_not_http_is_a_problem(served: Served) -> None:
    for nonsense in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ):
        assert (served.say(nonsense).status, served.say(nonsense).code) == (400, "bad-request")


def test_an_answer_that_nobody_reads_is_given_up(served: Served, until: Until) -> None:
    with served.connect() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.setblocking(False)
        with suppress(BlockingIOError, ConnectionError):
            for _ in range(1_000):
                line.sendall(head("GET", "/openapi.json") * 4)
        here = line.getsockname()[1]
        until(lambda: here not in {peer.raddr.port for peer in served.process.net_connections() if peer.raddr})


def test_the_body_of_a_refusal_is_a_whole_problem(served: Served) -> None:
    refused = served.say(b"GET\r\n\r\n")
    assert set(json.loads(refused.body)) == {"type", "title", "status", "detail", "errors"}
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["/members%0A", "/vendors%0A", "/oauth/token%0A", "/members%0D", "/members/", "/nowhere"]
)
def test_a_body_for_a_path_that_is_nobodys_is_not_read(served: Served, path: str) -> None:
    refused = served.say(head("POST", path, Content_Type="application/json", Content_Length=2**20))
    assert (refused.status, refused.code) == (404, "not-found")


@pytest.mark.parametrize("name", ["Authorization", "Content-Type"])
def test_a_header_that_admission_and_routes_go_by_comes_once(served: Served, name: str) -> None:
    """A request with the header twice is refused before its body is sent: admission control and route might differ."""
    twice = head("POST", "/orders", Content_Length=10)[:-2] + f"{name}: a\r\n{name}: b\r\n\r\n".encode()
    refused = served.say(twice)
    assert (refused.status, refused.code) == (422, "bad-input")
    assert [error["field"] for error in json.loads(refused.body)["errors"]] == [f"header.{name.lower()}"]


def test_the_connection_answers_with_the_headers_that_no_answer_lacks(served: Served) -> None:
    refused = served.say(b"GET\r\n\r\n")
    assert (refused.headers["x-content-type-options"], refused.headers["cache-control"]) == ("nosniff", "no-store")
