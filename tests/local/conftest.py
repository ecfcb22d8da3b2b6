"""What the tests of the one-machine runtime share: folders that leave nothing behind, and patience with a limit."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.local import postgres

Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def until() -> Until:
    """Waits for something to become true, and fails when it does not within 20 seconds."""

    def wait(happened: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not happened():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)

    return wait


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
