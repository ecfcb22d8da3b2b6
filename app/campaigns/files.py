"""The commands `add` and `change` for rules and offers in a JSON or YAML file with the API's fields."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic
from uuid import UUID

import orjson
import typer
import yaml

from app.campaigns import life
from app.campaigns.cli import Reason, do
from app.campaigns.desks import Desk
from app.campaigns.life import Deed, Subject
from app.db import WriteSession
from app.errors import BadInput
from app.program import service as programs
from app.program.models import Program
from app.terminal import By

File = Annotated[Path, typer.Argument(help="in JSON or YAML, as the API takes it; - is standard input")]
Content = Mapping[str, Any]


@dataclass(frozen=True)
class Forms(Generic[Subject]):
    """How a file becomes a new rule or offer (with whether it stays a draft), or changes of one."""

    new: Callable[[Content, Program], tuple[Subject, bool]]
    changes: Callable[[Content, Program], Mapping[str, Any]]


def add_file_commands(group: typer.Typer, desk: Desk[Subject], forms: Forms[Subject]) -> None:
    """Add the commands `add` and `change`."""
    name = desk.kind.machine.name
    Key = Annotated[UUID, typer.Argument(metavar=f"{name.upper()}_ID", show_default=False)]  # noqa: N806  a type

    @group.command(help=f"Add the {name} that a file holds; past the program's limits it is kept as a draft.")
    def add(file: File, by: By) -> None:
        content = content_of(file)

        def work(session: WriteSession, deed: Deed) -> Subject:
            subject, draft = forms.new(content, programs.program(session))
            return life.add(session, desk.kind, subject, deed, draft=draft)

        do(desk, by, "", work)

    @group.command(help=f"Change a draft of the {name}: only what the file holds changes.")
    def change(key: Key, file: File, by: By, reason: Reason) -> None:
        content = {**content_of(file), "reason": reason}

        def work(session: WriteSession, deed: Deed) -> Subject:
            changes = forms.changes(content, programs.program(session))
            return life.change(session, desk.kind, key, changes, deed)

        do(desk, by, reason, work)


class _Loader(yaml.SafeLoader):
    """Loads YAML, but keeps dates as text, so that they are parsed like the API's."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def content_of(file: Path) -> Content:
    """Read a file's content. Raises BadInput if it is unreadable or not an object."""
    try:
        data = sys.stdin.buffer.read() if file == Path("-") else file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} can't be read: {error.strerror}") from None
    content = _parsed(data, file)
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise BadInput(f"{file} holds no object of names and values")
    return content


def _parsed(data: bytes, file: Path) -> object:
    """Parse JSON, else YAML: YAML accepts nearly all of JSON, but not every escape."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return yaml.load(data, _Loader)  # noqa: S506  a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise BadInput(f"{file} is neither JSON nor YAML{line}") from None
