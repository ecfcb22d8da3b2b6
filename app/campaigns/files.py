"""The commands `add` and `change`, which read a rule or offer from a JSON or YAML file with the API's fields."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
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
from app.terminal import By, checked

File = Annotated[Path, typer.Argument(help="JSON or YAML with the API's fields; - is standard input")]


def add_file_commands(group: typer.Typer, desk: Desk[Subject]) -> None:
    """Add the commands `add` and `change`, for rules or for offers, to the group."""
    Key = Annotated[UUID, typer.Argument(metavar=f"{desk.name.upper()}_ID", show_default=False)]  # noqa: N806  a type

    @group.command(help=f"Add the {desk.name} in a file. It stays a draft if it exceeds the program's limits.")
    def add(file: File, by: By) -> None:
        new = checked(desk.new, **content_of(file))

        def work(session: WriteSession, deed: Deed) -> Subject:
            subject: Subject = new.subject(programs.program(session).zone)
            return life.add(session, desk.kind, subject, deed)

        do(desk, by, "", work)

    @group.command(help=f"Change the fields of a draft {desk.name} that are in a file.")
    def change(key: Key, file: File, by: By, reason: Reason) -> None:
        patch = checked(desk.patch, **{**content_of(file), "reason": reason})

        def work(session: WriteSession, deed: Deed) -> Subject:
            return life.change(session, desk.kind, key, patch.changes(programs.program(session).zone), deed)

        do(desk, by, reason, work)


class _Loader(yaml.SafeLoader):
    """A YAML loader that leaves dates as text, so that pydantic parses them as it does in the API's JSON."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def content_of(file: Path) -> Mapping[str, Any]:
    """Read a JSON or YAML file. Raises BadInput if it is unreadable or not an object."""
    try:
        data = sys.stdin.buffer.read() if file == Path("-") else file.read_bytes()
    except OSError as error:
        raise BadInput(f"{file} can't be read: {error.strerror}") from None
    content = _parsed(data, file)
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise BadInput(f"{file} holds no object of names and values")
    return content


def _parsed(data: bytes, file: Path) -> object:
    """Parse a file as JSON or else as YAML (which accepts nearly all JSON, but not every escape)."""
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
