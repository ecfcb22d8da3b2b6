"""The ledger on embedded PostgreSQL with fsync on: a database for each group of measurements."""

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
    with _server() as (server, folder):
        appending = ledger_append.measure(_database(server, "appending"), folder, console)
        growing = ledger_scale.measure(_database(server, "growing"), _database(server, "small"), console, largest=False)
    return [*appending, *growing]


def measure_largest() -> list[Result]:
    with _server() as (server, _):
        return ledger_scale.measure(_database(server, "largest"), _database(server, "small"), Console(), largest=True)


def _database(server: postgres.Server, name: str) -> str:
    server.create_database(name)
    upgrade(server.url(name))
    return server.url(name)


@contextmanager
def _server() -> Iterator[tuple[postgres.Server, Path]]:
    folder = Path(tempfile.mkdtemp(prefix="rewards-bench-"))
    try:
        with postgres.start(folder / "postgres") as server:
            yield server, folder
    finally:
        postgres.remove(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)
