"""Fixtures for tests of the packaged Lambda functions: their bucket and environment."""

import pytest

from pipelines.command import Refused
from pipelines.packaging import interpreter_of
from tests.functions.conftest import bucket, warehouse_url
from tests.stacks.conftest import prod

__all__ = ["bucket", "prod", "warehouse_url"]


@pytest.fixture(scope="session")
def interpreter() -> str:
    """Return the path of an interpreter of the image's Python version, or skip the test if there is none."""
    try:
        return interpreter_of()
    except Refused as refused:
        pytest.skip(str(refused))
