"""`rewards insights discounts` and `rewards insights switch-discounts`: list discounts, stop all discounts."""

from typing import Annotated

import typer

from app.discounts import service
from app.discounts.models import Running
from app.tabular import show
from app.terminal import AsCsv, clock, database, screen, session

commands = typer.Typer()


@commands.command()
def discounts(as_csv: AsCsv = False) -> None:
    """List this hour's discounts."""
    with session() as opened:
        rows = service.running(opened, clock())
    show("Discounts of this hour", Running, rows, as_csv=as_csv, screen=screen)


@commands.command()
def switch_discounts(
    stop: Annotated[bool, typer.Option("--stop/--allow", help="end all of them at once, or let them be proposed")],
) -> None:
    """Stop all discounts and further proposals, or allow proposals again."""
    with database() as db, db.write() as opened:
        ended = service.switch(opened, clock(), stopped=stop)
    screen.print(f"discounts are {'stopped' if stop else 'allowed'}; {ended:,} ended")
