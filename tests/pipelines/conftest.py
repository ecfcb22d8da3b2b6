"""Fixtures for the packaged functions: their bucket and environment."""

import subprocess
import sys
from pathlib import Path

import pytest

from cloud.function import RUNTIME
from tests.functions.conftest import bucket, warehouse_url
from tests.stacks.conftest import prod

__all__ = ["bucket", "prod", "warehouse_url"]


@pytest.fixture(scope="session")
def interpreter() -> str:
    """A Python of the image's version that really runs; a name on PATH need not."""
    version = RUNTIME.removeprefix("python")
    uv = str(Path(sys.executable).with_name("uv"))
    search = subprocess.run(
        [uv, "python", "find", "--no-project", "--no-python-downloads", version],
        capture_output=True,
        text=True,
        check=False,
    )
    if search.returncode:
        pytest.skip(f"no Python {version} here: Lambda's and the image's")
    return search.stdout.strip()
