"""`add` and `change` of rules and offers from a file that holds what the API takes, in JSON or YAML."""

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
    """How a file's content is read: as a new subject and whether it stays a draft, or as changes of one."""

    new: Callable[[Content, Program], tuple[Subject, bool]]
    changes: Callable[[Content, Program], Mapping[str, Any]]


def add_file_commands(group: typer.Typer, desk: Desk[Subject], forms: Forms[Subject]) -> None:
    """`add` and `change`."""
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
    """Dates stay text: they are read as the API reads them."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def content_of(file: Path) -> Content:
    """Raises BadInput where it can't be read, or holds no object."""
    try:
        data = sys.stdin.buffer.read() if file == Path("-") else file.read_bytes()
    except OSError as refused:
        raise BadInput(f"{file} can't be read: {refused.strerror}") from None
    content = _parsed(data, file)
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise BadInput(f"{file} holds no object of names and values")
    return content


def _parsed(data: bytes, file: Path) -> object:
    """JSON first: YAML has nearly all of it, but not every escape."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        return yaml.load(data, _Loader)  # noqa: S506  a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as refused:
        where = getattr(refused, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        raise BadInput(f"{file} is neither JSON nor YAML{line}") from None
