"""`make up` on machines that lack something, and on them again once they have it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Debian's Python without python3-venv: it leaves half a virtual environment behind.
WITHOUT_VENV = f"""#!/bin/sh
[ "$1" = -c ] && exec {sys.executable} "$@"
mkdir -p .venv/bin && ln -sf {sys.executable} .venv/bin/python
echo "The virtual environment was not created successfully because ensurepip is not available." && exit 1
"""
OLD = f"""#!/bin/sh
exec {sys.executable} -c "import sys; sys.version_info, sys.version = (3, 10, 1), '3.10.1 old'; exec(sys.argv[1])" "$2"
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Copies what make needs to create a virtual environment with pip."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "uv.txt").touch()
    return tmp_path


def make(clone: Path, python: str) -> tuple[int, str]:
    """Exit code of `make .venv/.uv`, and its complaint without make's own line."""
    command = ["make", "--no-print-directory", f"PYTHON={python}", ".venv/.uv"]
    ended = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    complaint = [line for line in ended.stderr.splitlines() if not line.startswith("make")]
    return ended.returncode, "\n".join(complaint)


def program(folder: Path, text: str) -> str:
    path = folder / "python3-of-this-test"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_without_python3_venv_it_is_one_line_and_works_once_that_is_there(clone: Path, tmp_path: Path) -> None:
    lacking = program(tmp_path, WITHOUT_VENV)
    for _ in range(2):
        code, complaint = make(clone, lacking)
        assert code == 2
        assert complaint == (
            f"rewards: {lacking} can't make a virtual environment: apt-get install python3-venv, or name another with: "
            "make PYTHON=python3.12 up"
        )
        assert not (clone / ".venv").exists()
    assert make(clone, sys.executable) == (0, "")
    assert (clone / ".venv" / ".uv").exists()


def test_half_a_virtual_environment_of_before_is_made_anew(clone: Path) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").symlink_to(sys.executable)
    assert make(clone, sys.executable) == (0, "")


def test_no_python_and_an_old_one_are_named(clone: Path, tmp_path: Path) -> None:
    code, complaint = make(clone, "python-of-nobody")
    assert code == 2
    assert complaint.startswith("rewards: there is no python-of-nobody: install Python 3.11 or newer")
    code, complaint = make(clone, program(tmp_path, OLD))
    assert code == 2
    assert complaint.startswith("rewards: Python 3.11 or newer is needed, this is 3.10.1")


STUB = """#!/bin/sh
echo "$@" >>runs
case "$*" in *"$FAILING"*) exit 1;; esac
"""


@pytest.mark.parametrize(
    ("failing", "code"), [("-m not alone", 2), ("-m alone", 2), ("no such test", 0)], ids=["most", "alone", "none"]
)
def test_what_measures_runs_after_all_others_and_either_failure_counts(clone: Path, failing: str, code: int) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    program(clone, STUB)
    (clone / "python3-of-this-test").rename(clone / ".venv" / "bin" / "python")
    command = ["make", "--assume-old=.venv/.all", "test", "REPORT=build/tests.xml"]
    (clone / ".venv" / ".all").touch()
    ended = subprocess.run(command, cwd=clone, env={**os.environ, "FAILING": failing}, capture_output=True, check=False)
    assert (ended.returncode, (clone / "runs").read_text().splitlines()) == (
        code,
        [
            "-m pytest -m not alone --numprocesses auto --junit-xml=build/tests.xml",
            "-m pytest -m alone --junit-xml=build/tests-alone.xml",
        ],
    )
