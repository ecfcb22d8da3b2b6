"""`rewards insights …`: what costs less now, what discounts did, and the switch that stops them all."""

from typing import Annotated

import typer

from app.insights.discounts import service
from app.insights.discounts.models import Effect, Running
from app.insights.terminal import AsCsv, clock, database, screen, session
from app.tabular import show

commands = typer.Typer()


@commands.command()
def discounts(as_csv: AsCsv = False) -> None:
    """What costs less this hour."""
    with session() as opened:
        found = service.running(opened, clock())
    show("Discounts of this hour", Running, found, as_csv=as_csv, screen=screen)


@commands.command()
def propose_discounts() -> None:
    """Pick discounts for the hour to come; the schedule does it each hour."""
    with database() as db, db.write() as opened:
        picked = service.propose(opened, clock())
    screen.print(f"{len(picked):,} picked, {sum(one.state == 'control' for one in picked):,} of them as control")


@commands.command()
def switch_discounts(
    stop: Annotated[bool, typer.Option("--stop/--allow", help="end all of them at once, or let them be proposed")],
) -> None:
    """The switch for all discounts."""
    with database() as db, db.write() as opened:
        ended = service.switch(opened, clock(), stopped=stop)
    screen.print(f"discounts are {'stopped' if stop else 'allowed'}; {ended:,} ended")


@commands.command()
def discount_effect(as_csv: AsCsv = False) -> None:
    """What the discounts of hours that are over did, against picks that stayed at their price."""
    with session() as opened:
        found = service.effect(opened)
    show("Effect", Effect, [found], as_csv=as_csv, screen=screen)
