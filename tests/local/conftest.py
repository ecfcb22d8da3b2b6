"""What the tests of the one-machine runtime share: folders that leave nothing behind, and patience with a limit."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.local import postgres


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """For one PostgreSQL; whatever runs there, and its data, are gone after the test."""
    asked = tmp_path / "postgres"
    yield asked
    postgres.remove(asked)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One data folder for tests that only start it, kill what runs in it, and start it again."""
    asked = tmp_path_factory.mktemp("kept") / "postgres"
    postgres.start(asked).stop()
    yield asked
    postgres.remove(asked)


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act for several users")
