"""`rewards member erase`: erase a member from tables, ledger and exports."""

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
    by: Annotated[str, typer.Option(help="who asks for it")],
    reason: Annotated[str, typer.Option(help=f"{', '.join(Ground)}; other words are not kept")],
) -> None:
    """Forget a member for good: every word about them, in tables, ledger and exports. The books stay true."""
    settings = command_settings()
    archive, clock = Archive(aws.client("s3"), settings.archive_bucket), clock_for(settings.clock_file)
    with database(settings) as db, database(settings.redacting()) as redacting:
        erased = service.erase(db, redacting, archive, member_id, by, reason, clock)
    screen.print(
        f"erased {erased.revisions} revisions of {erased.documents} documents, {erased.objects} objects of exports"
    )
