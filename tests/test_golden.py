"""`make golden`: no difference between two that show the same, and each difference where there is one."""

from pathlib import Path

from tests.golden import ROOT, differences, write_files_of


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
