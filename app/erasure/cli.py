"""`rewards member erase`: erase a member's personal data from tables, ledger and exports."""

from typing import Annotated
from uuid import UUID

import typer

from app import aws
from app.clock import clock_for
from app.erasure import service
from app.erasure.service import Ground
from app.ledger.archive import Archive
from app.settings import command_settings
from app.terminal import database, screen


def erase(
    member_id: UUID,
    by: Annotated[str, typer.Option(help="who requests it, without the member's name")],
    reason: Annotated[str, typer.Option(help=f"{', '.join(Ground)}; other text is not stored")],
) -> None:
    """Erase a member's personal data from tables, ledger and exports, irrevocably. Balances and proofs stay valid."""
    settings = command_settings()
    archive, clock = Archive.of(settings, aws.client("s3")), clock_for(settings.clock_file)
    with database(settings) as db, database(settings.redacting()) as redacting:
        erased = service.erase(db, redacting, archive, member_id, by, reason, clock)
    screen.print(
        f"erased {erased.revisions} revisions of {erased.documents} documents, {len(erased.exports)} objects of exports"
    )
