"""Load shopping data into the ledger, seal and export it, load a warehouse, and run the warehouse's queries."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from rich.console import Console

from app.clock import SystemClock
from app.db import Database
from app.insights.warehouse import loading, publishing
from app.insights.warehouse.loading import Loaded, Source
from app.insights.warehouse.models import Published
from app.insights.warehouse.postgresql import PostgresWarehouse
from app.insights.warehouse.runner import Warehouse
from app.insights.warehouse.staging import Staging
from app.ledger import exports, sealer
from app.ledger.archive import Archive
from app.local import replay
from app.local.journey import Journey

BUCKET = "analytics"


@dataclass
class Steps:
    """The duration of each step in seconds, and this process's peak memory after the step in MB."""

    seconds: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - begun
        self.memory[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@dataclass(frozen=True)
class Outcome:
    warehouse: Warehouse
    loaded: Loaded
    published: Published
    answers: dict[str, list[Any]]


def run(
    db: Database, sealing: Database, url: str, s3: Any, weeks: int, source: Journey, steps: Steps, console: Console
) -> Outcome:
    """Load `weeks` weeks into the database and then the warehouse at `url`; `sealing` is the sealer's login."""
    s3.create_bucket(Bucket=BUCKET)
    archive, clock = Archive(s3, BUCKET), SystemClock()
    with steps.step("load the shopping data"):
        replay.load(db, weeks, console, source)
    with steps.step("seal"):
        _seal(sealing)
    with steps.step("export"):
        assert exports.catch_up(db, archive, None, clock)
    warehouse = PostgresWarehouse(url, s3)
    answers: dict[str, list[Any]] = {}
    prepare, model = publishing.prepare, publishing.run

    def preparing(into: Warehouse) -> None:
        with steps.step("of it: profiles of members, ranges of products"):
            prepare(into)

    def running(of: Warehouse, name: str) -> list[Any]:
        with steps.step(f"of it: model {name}"):
            answers[name] = model(of, name)
        return answers[name]

    timed = patch.multiple(publishing, prepare=preparing, run=running)
    with steps.step("load the warehouse, run the models, publish"), timed:
        loaded, published = loading.bring_up(warehouse, Source(db, archive, Staging(s3, BUCKET), clock))
    assert published
    return Outcome(warehouse, loaded, published, answers)


def _seal(db: Database) -> None:
    sealed = True
    while sealed:
        with db.write() as session:
            sealed = bool(sealer.seal(session, SystemClock()))
