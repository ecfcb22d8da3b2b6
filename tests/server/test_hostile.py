"""Tests that hostile requests, with and without a token, don't disturb clients who place orders."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest

from app.ids import new_id
from app.signing import Role
from tests.conftest import Token
from tests.server import load
from tests.server.conftest import Answer, Served, Start, answer, head, open_lines
from tests.server.load import Phase, Plan, Sent
from tests.shop import Shop

Act = tuple[set[int], list[bytes]]
MiB = 2**20
MOST_MIB = 256
RATE, BEFORE_S, HOSTILE_S = 15, 8, 20
SLACK_S = 0.1
"""The hostile clients run on the same two processors as the API."""
SLOW_LINES = 100
PAUSE_S = 0.2
"""Between one hostile request and the next of the same kind, of which there are twenty at once."""
JSON = {"Content_Type": "application/json", "Idempotency_Key": "k"}


def hostile(authorization: dict[str, str]) -> dict[str, Act]:
    """Return hostile requests by name, each with the allowed status codes and the pieces to send."""
    known = bool(authorization)
    path = "/orders" if known else "/vendors"
    deep, wide = b"[" * 100_000, json.dumps(dict.fromkeys(map(str, range(70_000)), 1)).encode()[:MiB]

    def whole(body: bytes, kind: str = "application/json") -> list[bytes]:
        fields = {**JSON, **authorization, "Content_Type": kind, "Content_Length": len(body)}
        return [head("POST", path, **fields), body]

    announced = head("POST", path, **JSON, **authorization, Content_Length=100 * MiB)
    chunked = head("POST", path, **JSON, **authorization, Transfer_Encoding="chunked")
    return {
        "100 MB, announced": ({413}, [announced, *[b"[" * MiB] * 100]),
        "100 MB, not announced": ({413}, [chunked, *[b"100000\r\n" + b"[" * MiB + b"\r\n"] * 100]),
        "100,000 deep": ({422}, whole(deep)),
        "70,000 keys": ({422}, whole(wide)),
        "no content type": ({415}, [head("POST", path, **authorization, Content_Length=2), b"{}"]),
        "another content type": ({415}, whole(b"{}", "text/xml")),
        "64 MB of headers": ({431}, [head("GET", "/orders")[:-2], *[b"X: " + b"a" * MiB] * 64]),
        "a million headers": ({431}, [head("GET", "/orders")[:-2], *[b"a: b\r\n" * 100_000] * 10]),
        "a body for who may not": ({401}, [head("POST", "/orders", **JSON, Content_Length=100 * MiB), b"["]),
        "a feed of 100 MB": ({401, 403}, [_feed(authorization, 100 * MiB), *[b"x" * MiB] * 100]),
    }


def _feed(authorization: dict[str, str], size: int) -> bytes:
    fields = {"Content_Type": "text/csv", "Idempotency_Key": "k", "Content_Length": size}
    return head("POST", f"/vendors/{new_id()}/feeds", **fields, **authorization)


@contextmanager
def watched(served: Served) -> Iterator[Callable[[], float]]:
    """Measure the server's memory while the block runs; yield a function that returns the peak in MiB."""
    most, over = [served.rss_mib()], threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            most[0] = max(most[0], served.rss_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: most[0]
    finally:
        over.set()
        watcher.join()


@contextmanager
def trickling(served: Served) -> Iterator[None]:
    """Keep many connections open that send a request one byte a second, and reopen them when the server closes them."""
    over = threading.Event()
    body = head("POST", "/vendors", **JSON, Content_Length=10_000)

    def trickle() -> None:
        while not over.is_set():
            with suppress(ConnectionError, TimeoutError), open_lines(served, SLOW_LINES) as lines:
                for number, line in enumerate(lines):
                    line.sendall(body if number % 2 else body[:40])
                while not over.wait(1):
                    for line in lines:
                        line.sendall(b"[")

    sender = threading.Thread(target=trickle)
    sender.start()
    try:
        yield
    finally:
        over.set()
        sender.join()


def p99(sents: Sequence[Sent]) -> float:
    return load.percentile_99([sent.seconds for sent in sents])


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_hostile_heads_and_bodies_cost_those_who_send_them_and_nobody_else(
    serve: Start, shop: Shop, token: Token
) -> None:
    # Trial 31
    served = serve(head_s=3, anonymous_writes_a_minute=100_000)
    members, lines = shop.members(10), [{"product_id": str(shop.product()), "units": 1}]
    member, vendor = token(Role.MEMBER, new_id()), token(Role.VENDOR, new_id())
    plan = Plan(
        name="others",
        port=served.port,
        path="/orders",
        authorizations=[token(Role.MEMBER, each)["Authorization"] for each in members],
        bodies=[json.dumps({"lines": lines})],
        phases=[Phase(RATE, 3), Phase(RATE, BEFORE_S), Phase(RATE, HOSTILE_S)],
    )
    others: list[Sent] = []
    ordering = threading.Thread(target=lambda: others.extend(load.run(plan)))
    acts = {
        f"{name}, {sender}": act
        for sender, of in (("nobody", {}), ("a member", member))
        for name, act in hostile(of).items()
    }
    acts["a feed of a vendor"] = ({413}, [_feed(vendor, 100 * MiB), *[b"x" * MiB] * 100])
    end, pause = 0.0, threading.Event()

    def keep_sending(act: tuple[str, Act]) -> list[tuple[str, bool, object]]:
        name, (expected, pieces) = act
        results: list[tuple[str, bool, object]] = []
        while time.monotonic() < end and not pause.wait(PAUSE_S):
            refused = _refusal(served, pieces)
            results.append((name, isinstance(refused, Answer) and refused.status in expected | {429}, refused))
        return results

    with watched(served) as most_mib:
        ordering.start()
        time.sleep(3 + BEFORE_S)  # their first phases; the generator, a process of its own, starts a little later
        end = time.monotonic() + HOSTILE_S
        with trickling(served), ThreadPoolExecutor(len(acts)) as senders:
            results = [result for results in senders.map(keep_sending, acts.items()) for result in results]
        ordering.join()
        memory = most_mib()
    before, during = ([sent for sent in others if sent.phase == number] for number in (1, 2))
    report = (
        f"{len(results)} times, p99 {p99(before):.3f} → {p99(during):.3f} s, {memory:.0f} MiB, {load.lateness(others)}"
    )
    assert {name for name, _, _ in results} == set(acts)
    assert all(right for _, right, _ in results), [result for result in results if not result[1]][:5]
    assert {sent.status for sent in others} == {201}, report
    assert memory <= MOST_MIB, report
    assert p99(during) <= 2 * p99(before) + SLACK_S, report
    print(report)


def _refusal(served: Served, pieces: Sequence[bytes]) -> Answer | OSError:
    try:
        return served.say(*pieces)
    except OSError as lost:
        return lost


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_many_large_bodies_at_once_stay_within_the_memory(serve: Start, token: Token) -> None:
    """Clients send bodies of almost 1 MiB and never finish; above a memory limit for all bodies, they are refused."""
    served = serve()
    member = token(Role.MEMBER, new_id())
    sent = head("POST", "/orders", **JSON, **member, Content_Length=MiB) + b"[" * (MiB - 1)
    statuses: list[int] = []

    def send(lines: ExitStack) -> None:
        line = lines.enter_context(served.connect())
        line.sendall(sent)
        line.settimeout(0.5)
        with suppress(TimeoutError):
            statuses.append(answer(line).status)

    with watched(served) as most_mib, ExitStack() as lines:
        for _ in range(60):
            send(lines)
        assert statuses.count(503) == len(statuses) > 20
        small = served.say(head("POST", "/orders", **JSON, **member, Content_Length=2), b"{}")
        assert small.status == 422
    assert most_mib() <= MOST_MIB
