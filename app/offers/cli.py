"""`rewards offers …`: an administrator tries offers on what was sold, starts, ends and restocks them."""

from typing import Annotated
from uuid import UUID

import typer

from app.offers import life, service
from app.offers.schemas import OfferIn, OfferOut, RestockIn
from app.rewards.cli import By, checked
from app.rewards.life_cli import Desk, Reason, add_commands, do
from app.simulation.cli import Bench, add_simulate

offers = typer.Typer(no_args_is_help=True, help="The reward catalogue: try, start, pause, end, approve, copy, restock.")
DESK = Desk(life.OFFERS, life.offers, service.offer, OfferOut.of)
add_commands(offers, DESK)
add_simulate(
    offers, Bench(life.OFFERS, service.offer, lambda content, program: checked(OfferIn, **content).offer(program.zone))
)


@offers.command()
def restock(
    offer_id: UUID, units: Annotated[int, typer.Option(help="how many come on top")], by: By, reason: Reason
) -> None:
    """Put more of an item on the shelf."""
    request = checked(RestockIn, units=units, reason=reason)
    do(DESK, by, request.reason, lambda session, deed: life.restock(session, offer_id, request.units, deed))
