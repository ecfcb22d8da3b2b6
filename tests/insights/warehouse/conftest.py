"""A warehouse for tests, with a shop, ledger and exports to load it from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from app import logins
from app.clock import SystemClock
from app.db import Database
from app.ids import new_id
from app.insights.warehouse import loading, publishing
from app.insights.warehouse.loading import Loaded, Source
from app.insights.warehouse.models import Published
from app.insights.warehouse.postgresql import PostgresWarehouse
from app.insights.warehouse.runner import Sql
from app.insights.warehouse.staging import Staging
from app.ledger import exports
from app.ledger.archive import Archive
from tests.conftest import Opened, Seal, SettableClock


@dataclass(frozen=True)
class House:
    """An empty warehouse, and the sources that fill it: the export archive, the staging bucket and the sealer."""

    warehouse: PostgresWarehouse
    source: Source
    archiving: Database
    seal: Seal

    def export(self) -> str:
        assert self.seal()
        [export_id] = exports.catch_up(self.archiving, self.source.archive, None, SystemClock())
        return str(export_id)

    def load(self) -> tuple[Loaded, Published | None]:
        return loading.bring_up(self.warehouse, self.source)

    def bring_up(self) -> tuple[Loaded, Published | None]:
        self.export()
        return self.load()

    def model(self, name: str) -> list[Any]:
        return publishing.run(self.warehouse, name)

    def ask(self, text: str) -> list[Any]:
        return self.warehouse.rows(Sql(text))

    def objects(self, prefix: str) -> list[str]:
        return list(self.source.archive.keys(prefix))


@pytest.fixture
def house(
    superuser_url: str,
    opened: Opened,
    seal: Seal,
    clock: SettableClock,
    cloud: Callable[[str], Any],
) -> Iterator[House]:
    s3, bucket = cloud("s3"), f"archive-{new_id()}"
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    server, _, name = superuser_url.rpartition("/")
    own = f"{name}_warehouse"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {own}")
        source = Source(opened(logins.LOADING), Archive(s3, bucket), Staging(s3, bucket), clock)
        yield House(PostgresWarehouse(f"{server}/{own}", s3), source, opened(logins.ARCHIVING), seal)
        admin.execute(f"DROP DATABASE {own} WITH (FORCE)")
