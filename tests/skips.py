"""A pytest plugin: with CI=true, a skipped test fails the run unless `skips.toml` allows it.

Without CI=true, tests whose tools are not installed are skipped, with the reason.
"""

import os
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

FILE = Path(__file__).parent / "skips.toml"


@dataclass(frozen=True)
class Allowed:
    """A row of `skips.toml`: tests whose id begins with `test` may skip for reasons that match the regex `reason`."""

    test: str
    reason: str
    because: str

    def covers(self, test: str, reason: str) -> bool:
        return test.startswith(self.test) and re.search(self.reason, reason) is not None


def allowed(file: Path = FILE) -> tuple[Allowed, ...]:
    """Return the rows of `skips.toml`. Raises TypeError for a row with missing or unknown fields."""
    return tuple(Allowed(**row) for row in tomllib.loads(file.read_text()).get("allowed", []))


def forbidden(skips: Iterable[tuple[str, str]], rows: Iterable[Allowed]) -> list[str]:
    """Return a line for each skipped test, given as (test id, reason), that no row allows."""
    table = tuple(rows)
    return [f"{test}: {reason}" for test, reason in skips if not any(row.covers(test, reason) for row in table)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter and _unexpected(reporter) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    if os.environ.get("CI") != "true":
        return
    for line in _unexpected(terminalreporter):
        terminalreporter.write_line(f"FAILED, skipped without leave (tests/skips.toml): {line}", red=True)


def _unexpected(reporter: TerminalReporter) -> list[str]:
    """Return a line for each skipped test of this run that `skips.toml` doesn't allow."""
    return forbidden(((report.nodeid, _reason(report)) for report in reporter.stats.get("skipped", [])), allowed())


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    skipped = report.longrepr
    return str(skipped[2] if isinstance(skipped, tuple) else skipped)
