"""The functions' own bucket and environment, for the zip that carries them."""

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
    """Of the functions' and the image's version; one that really runs, which a name on PATH need not."""
    version = RUNTIME.removeprefix("python")
    uv = str(Path(sys.executable).with_name("uv"))
    found = subprocess.run(
        [uv, "python", "find", "--no-project", "--no-python-downloads", version],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        pytest.skip(f"no Python {version} here: Lambda's and the image's")
    return found.stdout.strip()
