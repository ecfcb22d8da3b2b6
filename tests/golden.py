"""Compare the outputs of two commits, to show that a refactoring changes none of them.

`make golden BEFORE=HEAD~1` compares this tree with another commit, `ONLY="openapi help"` only some of the files:

- `openapi.json`, the document that clients are generated from
- `help.txt`, what `rewards --help` and the help of each of its commands print
- `schema.sql`, `pg_dump --schema-only` of a migrated database
- `graph-ENV.json` and `policy-ENV.json`, the resources of each environment and the policy findings about them

`python -m tests.golden FOLDER` only writes the files. The exit code is 1 if a file differs.
"""

import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import typer.main

from tests.commits import ROOT, checked_out

NOWHERE = "postgresql://127.0.0.1:1/none"
HELP_COLUMNS = "100"
MEASURED = ("peak_memory_mb", "seconds")
HELD_OR_NOT = (0, 1)
# pg_dump's own version, and the word that it draws for each dump.
_OF_THE_DUMP = re.compile(r"^(--.*|\\(un)?restrict .*|)\n", re.MULTILINE)


def openapi() -> Iterator[tuple[str, str]]:
    app = import_module("app.main").create_app(import_module("app.settings").Settings(database_url=NOWHERE))
    yield "openapi.json", _json(app.openapi())


def help_of_commands() -> Iterator[tuple[str, str]]:
    rewards = typer.main.get_command(import_module("app.cli").app)
    yield "help.txt", "\n".join(_help(rewards, "rewards"))


def _help(command: Any, name: str, parent: Any = None) -> Iterator[str]:
    context = command.context_class(command, info_name=name.rpartition(" ")[2], parent=parent)
    yield f"$ {name} --help\n{command.get_help(context).strip()}\n"
    for inner, of_inner in getattr(command, "commands", {}).items():
        yield from _help(of_inner, f"{name} {inner}", context)


def schema() -> Iterator[tuple[str, str]]:
    folder = Path(tempfile.mkdtemp(prefix="rewards-golden-"))
    try:
        with import_module("app.local.postgres").start(folder / "postgres", durable=False) as server:
            server.create_database("rewards")
            import_module("app.migrations").upgrade(server.url())
            pg_dump = import_module("app.local.binaries").installed() / "bin" / "pg_dump"
            command = [str(pg_dump), "--schema-only", "--no-owner", server.url()]
            dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    yield "schema.sql", _OF_THE_DUMP.sub("", dump)


def cloud() -> Iterator[tuple[str, str]]:
    for environment in sorted(path.name.split(".")[2] for path in Path("stacks/config").glob("Pulumi.base.*.yaml")):
        for module, option in (("plan", []), ("policy", ["--planned"])):
            command = [sys.executable, "-m", f"stacks.offline.{module}", environment, *option]
            ended = subprocess.run(command, check=False, capture_output=True, text=True)
            if ended.returncode not in HELD_OR_NOT:
                raise SystemExit(ended.stderr)
        for name in ("graph", "policy"):
            document = json.loads(Path(f"build/plan/{environment}/{name}.json").read_text())
            yield f"{name}-{environment}.json", _json(_in_order(document))


def _in_order(document: Any) -> Any:
    """Return the document without values that differ in each run: the order of resources, times and sizes."""
    match document:
        case dict():
            return {name: _in_order(value) for name, value in document.items() if name not in MEASURED}
        case [{"urn": _}, *_]:
            return sorted(map(_in_order, document), key=lambda resource: json.dumps(resource, sort_keys=True))
        case list():
            return [_in_order(value) for value in document]
    return document


PARTS: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "openapi": openapi,
    "help": help_of_commands,
    "schema": schema,
    "cloud": cloud,
}


def _json(document: object) -> str:
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write(folder: Path, parts: list[str]) -> None:
    """Write output files from the code that this process imports; the current folder must be that code's tree."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        for name, text in PARTS[part]():
            (folder / name).write_text(text)


def write_files_of(tree: Path, folder: Path, parts: list[str]) -> None:
    """Write the output files of a tree by running this script with that tree's code."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{tree}{os.pathsep}{tree / 'platform'}",
        "COLUMNS": HELP_COLUMNS,
        "TYPER_USE_RICH": "0",
    }
    command = [sys.executable, "-P", __file__, str(folder), "--only", *parts]
    subprocess.run(command, cwd=tree, env=environment, check=True)


def differences(before: Path, after: Path) -> Iterator[str]:
    for name in sorted({path.name for folder in (before, after) for path in folder.iterdir()}):
        yield from difflib.unified_diff(
            _lines(before / name), _lines(after / name), f"before/{name}", f"after/{name}", n=2
        )


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines(keepends=True) if path.exists() else []


def against(commit: str, parts: list[str]) -> int:
    """Print the differences between the output files of a commit and of this tree, and return the number of lines."""
    scratch = Path(tempfile.mkdtemp(prefix="rewards-golden-"))
    try:
        with checked_out(commit, scratch / "tree") as tree:
            write_files_of(tree, scratch / "before", parts)
            write_files_of(ROOT, scratch / "after", parts)
            lines = list(differences(scratch / "before", scratch / "after"))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sys.stdout.writelines(lines)
    return len(lines)


def main() -> int:
    parser = ArgumentParser(prog="tests.golden")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--against", metavar="COMMIT")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[*PARTS])
    options = parser.parse_args()
    if options.against:
        return 1 if against(options.against, options.only) else 0
    if not options.folder:
        parser.error("name a folder to write to, or a commit: make golden BEFORE=HEAD~1")
    write(options.folder.absolute(), options.only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
