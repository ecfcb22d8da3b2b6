"""The cold path from end to end on a machine of its own: shopping data, ledger, exports, warehouse, every model."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from rich.console import Console

from app.clock import FixedClock, SystemClock
from app.db import Database
from app.insights.warehouse import loading, publishing
from app.insights.warehouse.loading import Loaded, Source
from app.insights.warehouse.models import Published
from app.insights.warehouse.postgresql import PostgresWarehouse
from app.insights.warehouse.runner import Warehouse
from app.insights.warehouse.staging import Staging
from app.ledger import exports, sealer
from app.ledger.export import Archive
from app.local import replay
from app.local.journey import Journey

BUCKET = "analytics"


@dataclass
class Steps:
    """Seconds of each step, and the most memory that this process had held after it, in MB."""

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


def run(db: Database, url: str, s3: Any, weeks: int, source: Journey, steps: Steps, console: Console) -> Outcome:
    """Everything, into the warehouse at `url`."""
    s3.create_bucket(Bucket=BUCKET)
    archive, clock = Archive(s3, BUCKET), SystemClock()
    with steps.step("load the shopping data"):
        replay.load(db, weeks, console, source)
    with steps.step("seal"):
        _seal(db)
    with steps.step("export"), patch.object(exports, "GRACE", timedelta()):
        assert exports.catch_up(db, archive, None, clock)
    warehouse = PostgresWarehouse(url, s3)
    with steps.step("load the warehouse"):
        loaded = loading.bring_up(warehouse, Source(db, archive, Staging(s3, BUCKET), clock))
    with steps.step("members' profiles, products' ranges"):
        publishing.prepare(warehouse)
    answers = {}
    for name in publishing.MODELS:
        with steps.step(f"model {name}"):
            answers[name] = publishing.run(warehouse, name)
    with steps.step("all of it again, and published"):
        published = publishing.publish(warehouse, db, FixedClock(clock.now()))
    assert published
    return Outcome(warehouse, loaded, published, answers)


def _seal(db: Database) -> None:
    sealed = True
    while sealed:
        with db.write() as session:
            sealed = bool(sealer.seal(session, SystemClock()))
