"""Benchmark the ledger on PostgreSQL with fsync on; each group of measurements has a new database."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from app.local import postgres
from app.migrations import upgrade
from tests.benchmarks import ledger_append, ledger_scale
from tests.benchmarks.report import Result


def measure() -> list[Result]:
    console = Console()
    with server() as (running, folder):
        appending = ledger_append.measure(database(running, "appending"), folder, console)
        growing = ledger_scale.measure(database(running, "growing"), database(running, "small"), console, largest=False)
    return [*appending, *growing]


def measure_largest() -> list[Result]:
    with server() as (running, _):
        return ledger_scale.measure(database(running, "largest"), database(running, "small"), Console(), largest=True)


def database(server: postgres.Server, name: str) -> str:
    server.create_database(name)
    upgrade(server.url(name))
    return server.url(name)


@contextmanager
def server() -> Iterator[tuple[postgres.Server, Path]]:
    folder = Path(tempfile.mkdtemp(prefix="rewards-bench-"))
    try:
        with postgres.start(folder / "postgres") as server:
            yield server, folder
    finally:
        postgres.remove(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)
