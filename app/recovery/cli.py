"""The commands `rewards ledger missing` and `rewards ledger recover`, for after a restore of the database.

They print JSON lines: what is missing in all, by strand, by member and by document.
"""

import sys
from typing import Annotated

import orjson
import typer

from app.ledger.recovery import Missing
from app.recovery import service
from app.settings import Settings, command_settings
from app.terminal import clock, database


def missing() -> None:
    """Name what digests, exports and the stream have and the ledger lacks; exit code 1 if anything is missing."""
    settings = _of_the_writer()
    with database(settings) as db:
        lost = service.find(db, settings)
    _print(lost)
    raise typer.Exit(1 if lost or lost.fault else 0)


def recover(
    by: Annotated[str, typer.Option(help="who recovers it")],
    reason: Annotated[str, typer.Option(help="why the database was restored")],
) -> None:
    """After a restore, name what is missing and go on in a new strand; first stop the sealers and the functions."""
    settings = _of_the_writer()
    with database(settings) as db:
        lost = service.find(db, settings)
        strand = service.recover(db, settings, lost, by, reason, clock())
    _print(lost)
    sys.stderr.write(f"the ledger goes on in strand {strand.strand}, with block {lost.blocks}\n")


def _of_the_writer() -> Settings:
    """Return the settings without the read replica, which may lack the newest blocks."""
    return command_settings().model_copy(update={"database_read_url": None})


def _print(lost: Missing) -> None:
    for line in service.report(lost):
        sys.stdout.write(orjson.dumps(line).decode() + "\n")
