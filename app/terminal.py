"""Common options, database access and screen output of the command-line commands."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from pydantic import BaseModel, TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from app.clock import Clock, clock_for
from app.db import JOBS, Database, Session
from app.errors import BadInput
from app.settings import Settings, command_settings
from app.times import Day, Instant

Model = TypeVar("Model", bound=BaseModel)
screen = Console(width=None if sys.stdout.isatty() else 160)  # a pipe is not 80 columns wide
AsCsv = Annotated[bool, typer.Option("--csv", help="print CSV instead of a table")]
Limit = Annotated[int, typer.Option(help="rows at most", min=1, max=1000)]
Since = Annotated[str | None, typer.Option(help="an instant, or a day in the program's time zone")]
By = Annotated[UUID, typer.Option(help="the administrator's id, as tokens have it")]
Why = Annotated[str, typer.Option(help="the member reads it")]
Until = Annotated[str | None, typer.Option(help="until just before it; now if absent")]


@contextmanager
def database(settings: Settings | None = None) -> Iterator[Database]:
    """Open the database of the settings for a `with` block; by default, of the command's own settings."""
    db = Database.open(settings or command_settings(), JOBS)
    try:
        yield db
    finally:
        db.close()


@contextmanager
def session() -> Iterator[Session]:
    """Yield a read-only session in which all statements see the same snapshot of the database."""
    with database() as db, db.snapshot() as opened:
        yield opened


def clock() -> Clock:
    return clock_for(command_settings().clock_file)


@contextmanager
def opened() -> Iterator[tuple[Database, Clock]]:
    """Yield the database and the platform's clock, as the command's settings name them."""
    with database() as db:
        yield db, clock()


def checked(model: type[Model], /, **values: object) -> Model:
    """Validate a command's values with a request model of the API. Raises BadInput with the first error."""
    try:
        return model.model_validate(values)
    except ValidationError as refused:
        first = refused.errors()[0]
        raise BadInput(f"{first['loc'][-1]}: {first['msg'].removeprefix('Value error, ')}") from None


def when(text: str | None, option: str) -> datetime | date | None:
    """Parse an option that is an instant with its zone, or a day; None stays None. Raises BadInput if it is neither."""
    if text is None:
        return None
    try:
        at: datetime | date = TypeAdapter(Instant | Day).validate_python(text)
    except ValidationError:
        raise BadInput(f"{option} {text} is no time; write it as 2026-11-22 or 2026-11-22T18:00:00Z") from None
    return at


def show_facts(title: str, rows: dict[str, Any]) -> None:
    """Print names and values as a table of two columns."""
    table = Table(title=title, show_header=False, title_justify="left")
    for name, value in rows.items():
        table.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
    screen.print(table)
