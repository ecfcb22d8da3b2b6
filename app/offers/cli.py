"""`rewards member wallet`: show a member's points and newest lots."""

from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from app.members import service as members
from app.offers import outlook
from app.terminal import clock, screen, session


def wallet(
    member_id: UUID,
    lots: Annotated[int, typer.Option(help="number of newest lots to show", min=0, max=1000)] = 10,
) -> None:
    """Print a member's points balance and newest points lots, each with the rule that gave its points."""
    with session() as snapshot:
        members.member(snapshot, member_id)  # raises NotFound; a member without points has an empty wallet
        held = outlook.wallet(snapshot, member_id, clock())
        newest = outlook.lots(snapshot, member_id, clock(), None, lots)
    screen.print(f"pending {held.pending:,}   available {held.available:,}")
    table = Table("earned", "points", "unspent", "state", "matures", "because")
    for lot in newest:
        table.add_row(
            *(f"{lot.earned_at:%Y-%m-%d}", f"{lot.points:,}", f"{lot.unspent:,}", lot.state, str(lot.matures_on)),
            f"{lot.explanation['gives']} ({lot.explanation['rule']})",
        )
    screen.print(table)
