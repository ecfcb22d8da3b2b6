"""`rewards insights …`: what analysts ask, as a table or as CSV."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from app.clock import clock_for
from app.db import Database, Session
from app.errors import BadInput
from app.insights import service
from app.insights.models import By, Seller
from app.insights.tabular import show
from app.insights.warehouse import cli as warehouse
from app.settings import found
from app.times import Instant

commands = typer.Typer(no_args_is_help=True, help="What sells, when, where and to whom.")
commands.add_typer(warehouse.commands)
screen = Console(width=None if sys.stdout.isatty() else 160)
AsCsv = Annotated[bool, typer.Option("--csv", help="print CSV instead of a table")]
Limit = Annotated[int, typer.Option(help="rows at most", min=1, max=1000)]


@contextmanager
def session() -> Iterator[Session]:
    """A moment of the database, to read from."""
    db = Database.open(found())
    try:
        with db.snapshot() as opened:
            yield opened
    finally:
        db.close()


def instant(text: str | None, option: str) -> datetime | None:
    """What an option says. Raises BadInput where it is no instant with a zone."""
    if text is None:
        return None
    try:
        return TypeAdapter(Instant).validate_python(text)
    except ValidationError:
        raise BadInput(f"{option} {text} is not an instant; write it as 2026-11-22T00:00:00Z") from None


@commands.command()
def top_sellers(
    by: Annotated[By, typer.Option(help="what to add up by")] = By.PRODUCT,
    since: Annotated[str | None, typer.Option(help="an instant; a day before the end if absent")] = None,
    until: Annotated[str | None, typer.Option(help="an instant; now if absent")] = None,
    limit: Limit = 10,
    as_csv: AsCsv = False,
) -> None:
    """What sold most units, by the hours of the journal stream."""
    end = instant(until, "--until") or clock_for(found().clock_file).now()
    start = instant(since, "--since") or end - timedelta(hours=24)
    with session() as opened:
        sellers = service.top_sellers(opened, start, end, by, limit)
    show(
        f"Top sellers, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC",
        Seller,
        sellers,
        as_csv=as_csv,
        screen=screen,
    )
