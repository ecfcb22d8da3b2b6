"""Tests of the largest and the most hostile feeds, on a server in a separate process.

Limits allow for a slow machine: memory is limited in bytes, transactions relative to the request's time.
"""

import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import psycopg
import pytest

from app.db import Database
from app.ids import new_id
from app.processes import API_COMMAND
from app.settings import Settings
from app.signing import Role
from tests.conftest import Headers, Token
from tests.shop import Shop

MB = 1024 * 1024
MOST_ABOVE_IDLE = 64 * MB
MOST_IN_ALL = 256 * MB
SECONDS = 300
HEADER = "sku,name,brand,department,category,price,stock,description"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Server:
    """The API in a process of its own, as in a pod."""

    pid: int
    address: str

    def memory(self, field: str = "VmRSS") -> int:
        """Return the process's resident memory in bytes; with `VmHWM`, its peak."""
        kilobytes = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert kilobytes
        return int(kilobytes[1]) * 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


@pytest.fixture
def api(settings: Settings, tmp_path: Path) -> Iterator[Server]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "REWARDS_DATABASE_URL": settings.database_url,
        "REWARDS_SIGNING_KEY": str(settings.signing_key),
        "REWARDS_ISSUERS": f"[{','.join(issuer.model_dump_json() for issuer in settings.issuers)}]",
        "TMPDIR": str(tmp_path),
    }
    at = {"0.0.0.0": "127.0.0.1", API_COMMAND[-1]: str(port)}  # noqa: S104  replaced
    command = [sys.executable, *(at.get(word, word) for word in API_COMMAND[1:])]
    with (tmp_path / "api.log").open("w") as log, subprocess.Popen(command, env=environment, stdout=log) as process:
        server = Server(process.pid, f"http://127.0.0.1:{port}")
        try:
            wait_for(server)
            yield server
        finally:
            process.terminate()


def wait_for(server: Server) -> None:
    deadline = time.monotonic() + SECONDS
    while not answers(server):
        assert time.monotonic() < deadline, "the server does not come up"
        time.sleep(0.1)


def answers(server: Server) -> bool:
    try:
        return httpx2.get(f"{server.address}/health/ready").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture
def send(api: Server, token: Token, shop: Shop) -> Callable[..., httpx2.Response]:
    def sent(content: Any, mode: str = "good_rows", vendor: UUID | None = None, key: str = "") -> httpx2.Response:
        vendor_id = vendor or shop.vendor()
        headers: Headers = {"Idempotency-Key": key or str(new_id()), "Content-Type": "text/csv"}
        url = f"{api.address}/vendors/{vendor_id}/feeds?mode={mode}"
        return httpx2.post(url, content=content, headers={**headers, **token(Role.VENDOR, vendor_id)}, timeout=SECONDS)

    return sent


def large(price: str = "9.99", rows: int = 50_000) -> bytes:
    """Return a feed of 29 MB as a shop sends it, with SKUs of the greatest length."""
    words = "Crème brûlée as it should be. " * 16
    lines = [
        f"{number:040},Thing {number},Brand {number % 50},D{number % 20},C{number % 300},{price},{10**9},{words}"
        for number in range(rows)
    ]
    return "\n".join([HEADER, *lines]).encode()


class Watch:
    """Watches a database from a separate connection for the longest time that a transaction was open."""

    def __init__(self, url: str) -> None:
        self.url, self.longest, self.running = url, 0.0, True

    def __call__(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as observer:
            while self.running:
                [(age,)] = observer.execute(
                    """SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8
                       FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
                         AND application_name = 'rewards'"""
                ).fetchall()
                self.longest = max(self.longest, age)
                time.sleep(0.02)


def watched(url: str, work: Callable[[], httpx2.Response]) -> tuple[httpx2.Response, float, float]:
    """Return the answer to a request, its duration in seconds, and the longest transaction in the meantime."""
    watch = Watch(url)
    with ThreadPoolExecutor(1) as beside:
        seen = beside.submit(watch)
        began = time.perf_counter()
        try:
            answer = work()
        finally:
            took = time.perf_counter() - began
            watch.running = False
        seen.result()
    return answer, took, watch.longest


def test_the_largest_feed_costs_little_memory_and_two_at_once_leave_the_process_within_its_own(
    api: Server, send: Callable[..., httpx2.Response], shop: Shop, db: Database
) -> None:
    vendor, content = shop.vendor(), large()
    send(HEADER, vendor=vendor)  # what a first feed makes Python import is no feed's cost
    api.forget_peak()
    idle = api.memory()
    first = send(content, vendor=vendor, mode="all_or_nothing")
    assert (first.status_code, first.json()["created"], first.json()["refused"]) == (201, 50_000, 0), first.text
    assert api.memory("VmHWM") - idle <= MOST_ABOVE_IDLE
    with ThreadPoolExecutor(2) as both:
        again = list(both.map(lambda whose: send(content, vendor=whose), (vendor, shop.vendor())))
    assert [(answer.status_code, answer.json()["created"]) for answer in again] == [(201, 0), (201, 50_000)]
    assert api.memory("VmHWM") <= MOST_IN_ALL
    with db.read() as session:
        assert session.value("SELECT count(*) FROM products WHERE vendor_id = %s", (vendor,)) == 50_000


def test_no_transaction_is_open_while_a_feed_is_read(
    api: Server, send: Callable[..., httpx2.Response], database_url: str
) -> None:
    """Every row is bad, so no row is applied and nearly all the time is parsing."""
    api.forget_peak()
    idle = api.memory()
    answer, took, longest = watched(database_url, lambda: send(large(price="x")))
    report = answer.json()
    assert (report["rows"], report["refused"], report["applied"]) == (50_000, 50_000, True)
    assert (len(report["errors"]), report["more_errors"]) == (1_000, 49_000)
    assert longest < took / 4
    assert api.memory("VmHWM") - idle <= MOST_ABOVE_IDLE


def test_no_transaction_is_open_while_a_feed_arrives(
    api: Server, send: Callable[..., httpx2.Response], db: Database, database_url: str
) -> None:
    content = large(rows=4_000)
    looks = 0
    seen = Counter[tuple[object, ...]]()

    def slowly() -> Iterator[bytes]:
        nonlocal looks
        for start in range(0, len(content), 8 * 1024):
            yield content[start : start + 8 * 1024]
            looks += 1
            with db.read() as session:
                seen.update(
                    session.rows(
                        """SELECT pid, xact_start FROM pg_stat_activity WHERE datname = current_database()
                           AND pid <> pg_backend_pid() AND application_name = 'rewards' AND xact_start IS NOT NULL"""
                    )
                )

    assert send(slowly()).json()["created"] == 4_000
    assert looks > 20
    # Short ones come and go, as of who asks whether the sender may send; none lasts while the feed arrives.
    assert max(seen.values(), default=0) < looks / 2


BEGIN = f"{HEADER}\n".encode()
FILES: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "columns": (lambda: b"sku," * 250_000, 422, "characters"),
    "empty rows": (lambda: BEGIN + b"\n" * 1_000_000, 201, '"rows":0'),
    "more empty rows": (lambda: BEGIN + b"\r\n" * 16_000_000, 422, "empty rows"),
    "commas": (lambda: BEGIN + b"," * 30_000_000, 422, "characters"),
    "a line": (lambda: BEGIN + b"x" * 30_000_000, 422, "characters"),
    "a quote": (lambda: BEGIN + b'"' + b"x\n" * 15_000_000, 422, "characters"),
    "cells": (lambda: BEGIN + (b"," * 600 + b"\n") * 49_000, 201, '"refused":49000'),
    "nul bytes": (lambda: BEGIN + b"\0" * 30_000_000, 422, "characters"),
    "cut in quotes": (lambda: large(rows=1_000) + b'\nX,Thing,"Brand', 422, "is not CSV"),
    "cut in a letter": (lambda: large(rows=1_000).rpartition("è".encode()[1:])[0], 201, '"refused":1,'),
    "a bad byte": (lambda: large(rows=1_000).replace("è".encode(), b"\xe8", 1), 201, '"refused":1,'),
    "windows-1252": (lambda: large(rows=1_000).decode().encode("cp1252"), 422, "is not UTF-8"),
}


def test_hostile_and_broken_files_are_refused_or_reported_within_memory_and_without_a_transaction(
    api: Server, send: Callable[..., httpx2.Response], db: Database, database_url: str
) -> None:
    send(HEADER)
    idle = api.memory()
    for name, (content, status, says) in FILES.items():
        api.forget_peak()
        answer, took, longest = watched(database_url, lambda: send(content(), mode="all_or_nothing"))  # noqa: B023
        assert (answer.status_code, says in answer.text) == (status, True), (name, answer.text[:1_000])
        assert longest < max(took / 4, 1), name
        assert api.memory("VmHWM") - idle <= MOST_ABOVE_IDLE, name
    with db.read() as session:
        assert session.value("SELECT count(*) FROM products") == 0


@pytest.mark.alone
def test_others_are_served_while_feeds_are_taken_in(api: Server, send: Callable[..., httpx2.Response]) -> None:
    with ThreadPoolExecutor(2) as feeds:
        underway = [feeds.submit(send, large(price=price)) for price in ("x", "y")]
        waits = []
        while not all(feed.done() for feed in underway):
            began = time.perf_counter()
            assert httpx2.get(f"{api.address}/categories", timeout=SECONDS).status_code == 200
            waits.append(time.perf_counter() - began)
    assert [feed.result().status_code for feed in underway] == [201, 201]
    assert len(waits) > 10
    assert sorted(waits)[len(waits) // 2] < 0.5


def test_one_vendor_takes_a_part_of_the_places_and_who_comes_too_often_is_told_when_to_come_again(
    api: Server, send: Callable[..., httpx2.Response], shop: Shop
) -> None:
    greedy, content = shop.vendor(), large(price="x", rows=20_000)
    with ThreadPoolExecutor(6) as many:
        sent = [many.submit(send, content, vendor=greedy) for _ in range(5)]
        other = many.submit(send, HEADER)
        statuses = sorted(feed.result().status_code for feed in sent)
    assert set(statuses) <= {201, 429}
    assert statuses.count(429) >= 1
    assert all("Retry-After" in feed.result().headers for feed in sent if feed.result().status_code == 429)
    assert other.result().status_code == 201
