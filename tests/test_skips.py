"""Tests of the plugin tests/skips.py, which fails CI runs with skipped tests that `skips.toml` doesn't allow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.skips import Allowed, allowed, forbidden

SKIPPING = """
import pytest

def test_passes():
    pass

def test_skips():
    pytest.skip("no moon here")
"""


@pytest.mark.parametrize(
    ("ci", "options", "code"),
    [("true", (), 1), ("true", ("--numprocesses=2",), 1), ("", (), 0), ("true", ("-k", "passes"), 0)],
    ids=["in CI", "in CI, in parallel", "elsewhere", "in CI without skips"],
)
def test_a_skip_that_nobody_allowed_fails_ci_alone(
    tmp_path: Path, ci: str, options: tuple[str, ...], code: int
) -> None:
    (tmp_path / "test_moon.py").write_text(SKIPPING)
    command = [sys.executable, "-m", "pytest", "-p", "tests.skips", "-p", "no:cacheprovider", *options]
    ended = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "CI": ci}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == code, ended.stdout
    assert ("test_skips: Skipped: no moon here" in ended.stdout) == bool(code)


def test_a_row_allows_its_own_tests_for_its_own_reason() -> None:
    rows = (Allowed("tests/engine/", "not on PATH", "because"),)
    assert not forbidden([("tests/engine/test_x.py::test_y", "Skipped: pulumi is not on PATH")], rows)
    assert forbidden([("tests/engine/test_x.py::test_y", "Skipped: it is late")], rows)
    assert forbidden([("tests/orders/test_x.py::test_y", "Skipped: pulumi is not on PATH")], rows)


def test_every_row_says_why() -> None:
    assert allowed()
    assert all(row.test and row.reason and row.because for row in allowed())
