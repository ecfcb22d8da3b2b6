"""Tests of `make golden`: it reports no difference between equal trees, and each difference between others."""

from pathlib import Path

import pytest

from tests.commits import ROOT, checked_out
from tests.golden import differences, write_files_of


def test_a_tree_does_not_differ_from_itself(tmp_path: Path) -> None:
    for name in ("before", "after"):
        write_files_of(ROOT, tmp_path / name, ["openapi", "help"])
    assert {path.name for path in (tmp_path / "before").iterdir()} == {"openapi.json", "help.txt"}
    assert "$ rewards rules add --help" in (tmp_path / "after" / "help.txt").read_text()
    assert not list(differences(tmp_path / "before", tmp_path / "after"))


def test_what_changed_and_what_is_new_are_shown(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for folder, text in ((before, "one\ntwo\n"), (after, "one\nthree\n")):
        folder.mkdir()
        (folder / "help.txt").write_text(text)
    (after / "schema.sql").write_text("CREATE TABLE lots ();\n")
    assert [line for line in differences(before, after) if line[0] in "+-" and line[:3] not in ("+++", "---")] == [
        "-two\n",
        "+three\n",
        "+CREATE TABLE lots ();\n",
    ]


def test_a_commit_that_git_does_not_know_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, checked_out("no-such-commit", tmp_path / "tree"):
        pass
    assert ended.value.code == 2
    assert capfd.readouterr().err == "rewards: git knows no commit no-such-commit: name one as BEFORE=HEAD~1\n"
