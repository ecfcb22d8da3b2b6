"""`rewards insights …` commands that propose discounts and measure their effect."""

import typer

from app.insights.discount_proposals import service
from app.insights.discount_proposals.models import Effect
from app.tabular import show
from app.terminal import AsCsv, clock, database, screen, session

commands = typer.Typer()


@commands.command()
def propose_discounts() -> None:
    """Pick discounts for the hour to come; the schedule does it each hour."""
    with database() as db, db.write() as opened:
        picked = service.propose(opened, clock())
    screen.print(
        f"{len(picked):,} picked, {sum(discount.state == 'control' for discount in picked):,} of them as control"
    )


@commands.command()
def discount_effect(as_csv: AsCsv = False) -> None:
    """What the discounts of hours that are over did, against picks that stayed at their price."""
    with session() as opened:
        effect = service.effect(opened)
    show("Effect", Effect, [effect], as_csv=as_csv, screen=screen)
