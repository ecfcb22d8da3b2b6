"""Fixtures: the platform on a server whose log is archived, and a shop on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from app import logins
from app.ids import new_id
from app.local import postgres
from app.local.keys import Keys
from app.settings import Settings
from tests.conftest import SettableClock, Shared, make_template
from tests.recovery.parts import Platform
from tests.recovery.server import Archived, archived
from tests.shop import Shop

Shops = Callable[[Platform], Any]
Serving = Callable[[Platform], Settings]


@pytest.fixture
def machine() -> Iterator[Archived]:
    """A server with the platform's database, of which a base backup was taken."""
    with archived() as running:
        make_template(running.server)
        running.back_up()
        yield running


@pytest.fixture
def platform(
    machine: Archived,
    server: postgres.Server | Shared,
    issuer_keys: Keys,
    cloud: Callable[[str], Any],
    cloud_address: str,
    in_the_cloud: None,
) -> Iterator[Platform]:
    """The platform on that database, with a stream and a bucket of its own, and its warehouse on another server."""
    name = f"restore-{new_id()}"
    cloud("kinesis").create_stream(StreamName=name, ShardCount=2)
    cloud("s3").create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    warehouse = name.replace("-", "_")
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {warehouse}")
        environment = {
            "REWARDS_STREAM_NAME": name,
            "REWARDS_ARCHIVE_BUCKET": name,
            "REWARDS_DIGEST_KEY": str(issuer_keys.digests),
            "REWARDS_WAREHOUSE_URL": server.url(warehouse),
        }
        yield Platform(machine.server.url("template"), environment)
        admin.execute(f"DROP DATABASE {warehouse} WITH (FORCE)")
    cloud("kinesis").delete_stream(StreamName=name)


@pytest.fixture
def shops() -> Shops:
    """Return a context manager that opens a shop on a platform's database."""

    @contextmanager
    def shop(platform: Platform) -> Iterator[Shop]:
        with platform.databases() as opened:
            yield Shop(opened(logins.SERVICES), SettableClock(datetime.now(UTC)), opened)

    return shop


@pytest.fixture
def serving(issuer_keys: Keys) -> Serving:
    """Return a function that returns the API's settings on a platform."""
    trusts = {"issuers": issuer_keys.issuers(), "signing_key": issuer_keys.private}
    return lambda platform: platform.settings(logins.SERVICES).model_copy(update=trusts)
