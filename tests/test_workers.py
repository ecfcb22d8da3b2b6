"""Tests of the plugin tests/workers.py: which tests run on the same worker."""

import os
import subprocess
import sys
from pathlib import Path

from tests import workers

ROOT = Path(__file__).parent.parent
MODULE = """
import os, time
import pytest
@pytest.mark.parametrize("number", range({tests}))
def test_worker(number):
    time.sleep(0.1)
    with open("{file}", "a") as seen:
        print(os.getpid(), file=seen)
"""


def test_the_modules_exist() -> None:
    assert [module for module in workers.GROUPS if not (ROOT / module).is_file()] == []


def test_a_groups_tests_run_on_one_worker_and_all_others_on_both(tmp_path: Path) -> None:
    group, others = next(iter(workers.GROUPS)), "tests/test_others.py"
    for name, tests in {group: 6, others: 40}.items():  # more than a worker does while the other has the group
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MODULE.format(tests=tests, file=path.with_suffix(".pids")))
    options = ["-n", "2", "-p", "tests.workers", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", "-c", os.devnull]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "--import-mode=importlib", *options, "tests"]
    subprocess.run(command, cwd=tmp_path, env=variables | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    pids = {name: (tmp_path / name).with_suffix(".pids").read_text().split() for name in (group, others)}
    assert {name: (len(numbers), len(set(numbers))) for name, numbers in pids.items()} == {
        group: (6, 1),
        others: (40, 2),
    }
