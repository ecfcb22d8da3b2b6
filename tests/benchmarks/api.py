"""Benchmark orders, product searches and data loading over HTTP: one uvicorn worker, PostgreSQL with fsync on."""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from uuid import UUID

import psutil
import psycopg
from rich.console import Console

from app.db import Database
from app.local import keys, postgres, replay
from app.local.keys import Keys
from app.migrations import upgrade
from app.settings import Settings
from app.signing import Role, Signer
from tests.benchmarks import traffic
from tests.benchmarks.report import Result, at_least, at_most
from tests.benchmarks.traffic import Measured

ROUNDS = 5
SECONDS = 4.0
CONNECTIONS = 32
SEARCHERS = 8
WEEKS = 4
WORDS = ["cheese", "milk", "frozen pizza", "bread", "soup", "yogurt", "shampoo", "apple", "chicken", "coffee", "candy"]


@dataclass(frozen=True)
class Running:
    url: str
    process: psutil.Process
    database_url: str
    signer: Signer

    def worked(self) -> tuple[dict[int, float], dict[int, float]]:
        """Return the processor seconds used so far, by process id, of the API and of the database's processes."""
        with psycopg.connect(self.database_url) as asking:
            server = psutil.Process(asking.info.backend_pid).parent()
        assert server is not None
        return _processors([self.process]), _processors(server.children())

    def headers(self, member: UUID) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.signer.token(member, Role.MEMBER, time.time(), 3600)}",
            "Content-Type": "application/json",
        }


def _processors(processes: Sequence[psutil.Process]) -> dict[int, float]:
    """Return the processor seconds used so far, by process id; processes that ended are left out."""
    found = {}
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            found[process.pid] = float(times.user + times.system)
    return found


def measure() -> list[Result]:
    console = Console()
    with _platform() as running:
        loading = _loading(running, console)
        with _idle_stock(running):
            ordering = _ordering(running, console)
        searching = _searching(running, console)
        memory = running.process.memory_info().rss / 2**20
    return [*loading, *ordering, *searching, Result("API memory after it all", round(memory), "MiB")]


@contextmanager
def _platform() -> Iterator[Running]:
    folder = Path(tempfile.mkdtemp(prefix="rewards-bench-"))
    try:
        with postgres.start(folder / "postgres") as server:
            server.create_database("rewards")
            upgrade(server.url("rewards"))
            made = keys.make(folder)
            with _api(server.url("rewards"), made) as (url, process):
                yield Running(url, process, server.url("rewards"), made.signer(Role.MEMBER))
    finally:
        postgres.remove(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _api(database_url: str, made: Keys) -> Iterator[tuple[str, psutil.Process]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "REWARDS_DATABASE_URL": database_url,
        "REWARDS_ISSUERS": json.dumps([issuer.model_dump(mode="json") for issuer in made.issuers()]),
    }
    process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.bench_app", str(port)], env=environment)
    try:
        _until_ready(port, process)
        yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(10)


def _until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the API did not start")


def _loading(running: Running, console: Console) -> list[Result]:
    db = Database.open(Settings(database_url=running.database_url))
    try:
        done = replay.load(db, WEEKS, console)
    finally:
        db.close()
    baskets = done.counts["baskets"] / done.replaying
    return [at_least("loading baskets, their returns and nights with them", baskets, "baskets/s", 400)]


@contextmanager
def _idle_stock(running: Running) -> Iterator[None]:
    """Give every product unlimited stock, so that no order is refused; create the table for plain INSERT requests."""
    with psycopg.connect(running.database_url, autocommit=True) as admin:
        admin.execute("UPDATE product_stock SET on_hand = 1000000000")
        admin.execute("CREATE TABLE floor (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text)")
        admin.execute("VACUUM ANALYZE")
        yield
        admin.execute("DROP TABLE floor")


def _ordering(running: Running, console: Console) -> list[Result]:
    with psycopg.connect(running.database_url) as reader:
        members = [row[0] for row in reader.execute("SELECT member_id FROM members LIMIT %s", (CONNECTIONS,))]
        products = [str(row[0]) for row in reader.execute("SELECT product_id FROM products LIMIT 5000")]
    headers = [running.headers(member) for member in members]
    dice = random.Random(1)
    run = time.time_ns()

    def order(connection: int, number: int) -> bytes:
        lines = [{"product_id": product, "units": 1} for product in dice.sample(products, 3)]
        key = {"Idempotency-Key": f"{run}-{connection}-{dice.getrandbits(64)}"}
        return traffic.request("POST", "/orders", json.dumps({"lines": lines}).encode(), headers[connection] | key)

    def floor(connection: int, number: int) -> bytes:
        return traffic.request("POST", "/floor")

    ratios, rates, floors, spreads, work = [], [], [], [], []
    for kind in (floor, order):
        traffic.run(running.url, kind, CONNECTIONS, 2)
    for number in range(ROUNDS):
        below = traffic.run(running.url, floor, CONNECTIONS, SECONDS)
        above, worked = _working(running, order, CONNECTIONS)
        work.append(worked)
        assert not above.refused
        assert not below.refused
        ratios.append(above.per_second / below.per_second)
        rates.append(above.per_second)
        floors.append(below.per_second)
        spreads.append(above.percentile(99) / above.percentile(50))
        console.print(f"round {number + 1}: {above.per_second:.0f} orders/s over {below.per_second:.0f} inserts/s")
    return [
        at_least("order placement, 32 connections", median(ratios), "×", 0.35, f"{median(floors):.0f} inserts/s"),
        Result("orders placed", round(median(rates)), "1/s"),
        at_most("order placement, p99 over p50", median(spreads), "×", 10),
        *_work("an order", work),
    ]


def _working(running: Running, kind: traffic.Request, connections: int) -> tuple[Measured, tuple[float, float]]:
    """Run a load; return its measurements, and the processor seconds per request of (the API, the database)."""
    before = running.worked()
    done = traffic.run(running.url, kind, connections, SECONDS)
    after = running.worked()
    api, database = (
        sum(seconds - earlier.get(process, 0) for process, seconds in later.items()) / len(done.latencies)
        for earlier, later in zip(before, after, strict=True)
    )
    return done, (api, database)


def _work(what: str, rounds: Sequence[tuple[float, float]]) -> list[Result]:
    api, database = (median(each) * 1000 for each in zip(*rounds, strict=True))
    return [
        Result(f"processor time of {what}: API", round(api, 2), "ms"),
        Result(f"processor time of {what}: PostgreSQL", round(database, 2), "ms"),
    ]


def _searching(running: Running, console: Console) -> list[Result]:
    dice = random.Random(2)

    def search(connection: int, number: int) -> bytes:
        word = dice.choice(WORDS).replace(" ", "+")
        kind = dice.choice(["", "&sort=price", "&max_price=500", "&brand=Private", "&department=GROCERY"])
        return traffic.request("GET", f"/products?q={word}{kind}")

    measured, work = [], []
    traffic.run(running.url, search, SEARCHERS, 2)
    for number in range(ROUNDS):
        found, worked = _working(running, search, SEARCHERS)
        work.append(worked)
        assert not found.refused
        measured.append(found)
        console.print(
            f"round {number + 1}: {found.per_second:.0f} searches/s, p95 {found.percentile(95) * 1000:.1f} ms"
        )
    p95 = median(found.percentile(95) for found in measured) * 1000
    rate = median(found.per_second for found in measured)
    return [
        at_most("search over 92,334 products, 8 clients, p95", p95, "ms", 25),
        Result("searches", round(rate), "1/s"),
        *_work("a search", work),
    ]
