"""Fixtures for tests of running the platform on one machine."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.local import postgres


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for a PostgreSQL server; its processes and data are removed after the test."""
    path = tmp_path / "postgres"
    yield path
    postgres.remove(path)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a PostgreSQL database, shared by tests that start, kill and restart its server."""
    path = tmp_path_factory.mktemp("kept") / "postgres"
    postgres.start(path).stop()
    yield path
    postgres.remove(path)


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act for several users")
