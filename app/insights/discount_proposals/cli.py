"""The `rewards insights` commands that propose hourly discounts and measure their effect."""

import typer

from app.insights.discount_proposals import service
from app.insights.discount_proposals.models import Effect
from app.tabular import show
from app.terminal import AsCsv, clock, database, screen, session

commands = typer.Typer()


@commands.command()
def propose_discounts() -> None:
    """Propose discounts for the next hour; the platform's schedule runs this each hour."""
    with database() as db, db.write() as opened:
        picked = service.propose(opened, clock())
    screen.print(
        f"{len(picked):,} picked, {sum(discount.state == 'control' for discount in picked):,} of them as control"
    )


@commands.command()
def discount_effect(as_csv: AsCsv = False) -> None:
    """Compare the sales of discounted products with those of a control group that kept its list price."""
    with session() as opened:
        effect = service.effect(opened)
    show("Effect", Effect, [effect], as_csv=as_csv, screen=screen)
