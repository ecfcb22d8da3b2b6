"""The `rewards insights` commands that learn product affinity and show recommendations."""

from uuid import UUID

import typer

from app.insights.recommendations import learning, service
from app.insights.recommendations.models import Candidate, Companion
from app.tabular import show
from app.terminal import AsCsv, Limit, clock, database, screen, session

commands = typer.Typer()


@commands.command()
def learn() -> None:
    """Recompute from recent orders which products are bought together, and which products each segment buys."""
    with database() as db:
        learned = learning.learn(db, clock())
    screen.print(
        f"from {learned.baskets:,} baskets: {learned.pairs:,} pairs of products, {learned.category_pairs:,} of "
        f"categories, {learned.segment_cells:,} products of segments"
    )


@commands.command()
def companions(product_id: UUID, limit: Limit = 10, as_csv: AsCsv = False) -> None:
    """Show products that are bought together with a product."""
    with session() as opened:
        products = service.companions(opened, product_id, limit)
    show("Companions", Companion, products, as_csv=as_csv, screen=screen)


@commands.command()
def recommend(member_id: UUID, limit: Limit = 10, as_csv: AsCsv = False) -> None:
    """Show a member's recommendations and the reason for each."""
    with session() as opened:
        recommended = service.recommend(opened, member_id, limit, clock())
    title = "Recommended" if recommended.personal else "Recommended to everybody: this member did not consent"
    show(title, Candidate, recommended.products, as_csv=as_csv, screen=screen)
