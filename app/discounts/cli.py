"""`rewards insights …`: the discounts of this hour, their results, and the switch that stops all discounts."""

from typing import Annotated

import typer

from app.discounts import service
from app.discounts.models import Running
from app.tabular import show
from app.terminal import AsCsv, clock, database, screen, session

commands = typer.Typer()


@commands.command()
def discounts(as_csv: AsCsv = False) -> None:
    """What costs less this hour."""
    with session() as opened:
        rows = service.running(opened, clock())
    show("Discounts of this hour", Running, rows, as_csv=as_csv, screen=screen)


@commands.command()
def switch_discounts(
    stop: Annotated[bool, typer.Option("--stop/--allow", help="end all of them at once, or let them be proposed")],
) -> None:
    """The switch for all discounts."""
    with database() as db, db.write() as opened:
        ended = service.switch(opened, clock(), stopped=stop)
    screen.print(f"discounts are {'stopped' if stop else 'allowed'}; {ended:,} ended")
