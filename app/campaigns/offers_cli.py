"""`rewards offers …`: an administrator adds, simulates, starts, ends and restocks offers."""

from typing import Annotated
from uuid import UUID

import typer

from app.campaigns import offers as campaign
from app.campaigns.cli import Reason, add_commands, do
from app.campaigns.desks import OFFERS
from app.campaigns.files import add_file_commands
from app.campaigns.offers_schemas import RestockIn
from app.campaigns.simulate_cli import add_simulate
from app.terminal import By, checked

offers = typer.Typer(
    no_args_is_help=True,
    help="The reward catalogue: add, simulate, change, start, pause, end, approve, copy, restock.",
)
add_commands(offers, OFFERS)
add_file_commands(offers, OFFERS)
add_simulate(offers, OFFERS)


@offers.command()
def restock(
    offer_id: UUID, units: Annotated[int, typer.Option(help="units to add to the stock")], by: By, reason: Reason
) -> None:
    """Add units to an item's stock."""
    request = checked(RestockIn, units=units, reason=reason)
    do(OFFERS, by, request.reason, lambda session, deed: campaign.restock(session, offer_id, request.units, deed))
