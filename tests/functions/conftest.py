"""Fixtures for the AWS functions: settings from the environment, a PostgreSQL database, and a mocked S3."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from app.ids import new_id
from app.local.keys import Keys


@pytest.fixture
def bucket(
    database_url: str,
    issuer_keys: Keys,
    cloud: Callable[[str], Any],
    in_the_cloud: None,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Create an empty S3 bucket with Object Lock, set it as the archive in the environment, and return its name."""
    name = f"bucket-{new_id()}"
    cloud("s3").create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    monkeypatch.setenv("REWARDS_DATABASE_URL", database_url)
    monkeypatch.setenv("REWARDS_ARCHIVE_BUCKET", name)
    monkeypatch.setenv("REWARDS_DIGEST_KEY", str(issuer_keys.digests))
    return name


@pytest.fixture
def warehouse_url(superuser_url: str, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Create an empty warehouse database, set it in the environment, and yield its URL."""
    server, _, name = superuser_url.rpartition("/")
    url = f"{server}/{name}_warehouse"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}_warehouse")
        monkeypatch.setenv("REWARDS_WAREHOUSE_URL", url)
        yield url
        admin.execute(f"DROP DATABASE {name}_warehouse WITH (FORCE)")
