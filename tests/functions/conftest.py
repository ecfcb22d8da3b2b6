"""Handlers as Lambda runs them: settings out of the environment, real PostgreSQL, an S3 of this run's own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.functions import database
from app.ids import new_id
from app.local.keys import Keys
from app.settings import settings


@pytest.fixture
def bucket(
    database_url: str,
    issuer_keys: Keys,
    cloud: Callable[[str], Any],
    in_the_cloud: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """An empty bucket with Object Lock, which the handlers' environment names as the archive."""
    name = f"bucket-{new_id()}"
    cloud("s3").create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    monkeypatch.setenv("REWARDS_DATABASE_URL", database_url)
    monkeypatch.setenv("REWARDS_ARCHIVE_BUCKET", name)
    monkeypatch.setenv("REWARDS_DIGEST_KEY", str(issuer_keys.digests))
    settings.cache_clear()
    database.cache_clear()
    yield name
    if database.cache_info().currsize:
        database().close()
    settings.cache_clear()
    database.cache_clear()
