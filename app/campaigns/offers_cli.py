"""`rewards offers …`: an administrator adds, simulates, starts, ends and restocks offers."""

from typing import Annotated
from uuid import UUID

import typer

from app.campaigns import desks
from app.campaigns import offers as life
from app.campaigns.cli import Reason, add_commands, do
from app.campaigns.files import Content, Forms, add_file_commands
from app.campaigns.offers_schemas import OfferIn, OfferPatch, RestockIn
from app.campaigns.simulate_cli import Bench, add_simulate
from app.offers import service
from app.offers.models import Offer
from app.program.models import Program
from app.terminal import By, checked

HELP = "The reward catalogue: add, try, change, start, pause, end, approve, copy, restock."
offers = typer.Typer(no_args_is_help=True, help=HELP)


def _new(content: Content, program: Program) -> tuple[Offer, bool]:
    form = checked(OfferIn, **content)
    return form.offer(program.zone), form.draft


add_commands(offers, desks.OFFERS)
add_file_commands(
    offers, desks.OFFERS, Forms(_new, lambda content, program: checked(OfferPatch, **content).changes(program.zone))
)
add_simulate(offers, Bench(life.OFFERS, service.offer, lambda content, program: _new(content, program)[0]))


@offers.command()
def restock(
    offer_id: UUID, units: Annotated[int, typer.Option(help="how many come on top")], by: By, reason: Reason
) -> None:
    """Put more of an item on the shelf."""
    request = checked(RestockIn, units=units, reason=reason)
    do(desks.OFFERS, by, request.reason, lambda session, deed: life.restock(session, offer_id, request.units, deed))
