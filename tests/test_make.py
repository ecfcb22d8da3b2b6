"""Tests of mistyped `make` commands, and of `make up` on machines without pip or venv."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine import parts

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
    """Copy the files that make needs to create a virtual environment."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "uv.txt").touch()
    return tmp_path


def make(clone: Path, python: str) -> tuple[int, str]:
    """Run `make .venv/.uv`, and return the exit code and the stderr without make's own lines."""
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


def test_a_target_that_nothing_makes_leads_to_the_list(clone: Path) -> None:
    command = ["make", "--no-print-directory", "plna"]
    ended = subprocess.run(command, cwd=clone, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("rewards: there is nothing called plna to make: make help lists what there is\n")


def test_the_list_stands_in_two_columns(clone: Path) -> None:
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=clone, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len({len(line) - len(line.split(maxsplit=1)[1]) for line in listed}) == 1


def test_no_option_is_a_variable_that_make_sets_itself() -> None:
    """Such as `AS`, the assembler, which make sets to "as" though nobody names it."""
    command = ["make", "--print-data-base", "--file=/dev/null"]
    database = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    own = set(re.findall(r"^# default\n([^ ]+) :?=", database, flags=re.MULTILINE))
    read = set(re.findall(r"\$\((?:if \$\(|or \$\()?([A-Za-z_]+)", (ROOT / "Makefile").read_text()))
    assert {"AS", "MAKE"} <= own
    assert read & own <= {"MAKE"}


def test_a_part_of_the_engine_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert parts.main(["nonsense"]) == 2
    known = ", ".join(parts.PARTS)
    assert capsys.readouterr().err == f"rewards: nonsense is none of {known}\n"


def test_a_part_of_the_engine_that_was_built_is_taken_before_one_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A built program is preferred: one on PATH, such as kubectl, may be of another version than the API server."""
    installed = tmp_path / "bin" / "kubectl"
    installed.parent.mkdir()
    installed.touch(0o755)
    monkeypatch.setenv("PATH", str(installed.parent))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert parts.program("kubectl") == installed
    built = parts._folder("controlplane") / "kubectl"
    built.parent.mkdir(parents=True)
    built.touch()
    assert parts.program("kubectl") == built


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
