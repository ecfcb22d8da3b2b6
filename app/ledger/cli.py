"""`rewards ledger …`: what it finds goes to standard output as JSON lines; a refusal is one line, with exit code 2."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import boto3
import orjson
import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from app.clock import clock_for
from app.db import JOBS, Database
from app.errors import BadInput
from app.ledger import digests, export, keys, proofs, repository, service, stream
from app.ledger.cursors import Stream
from app.ledger.export import Archive
from app.settings import Settings, found
from app.times import Instant

commands = typer.Typer(no_args_is_help=True, help="Look into the ledger and check it.")
screen = Console(width=None if sys.stdout.isatty() else 160)
Version = Annotated[int | None, typer.Option(help="of the document; the newest if absent", min=0)]


@commands.command()
def status() -> None:
    """How much is sealed."""
    with _database() as (db, _), db.snapshot() as session:
        said = service.status(session).__dict__
    table = Table(title="Ledger", show_header=False, title_justify="left")
    for name, value in said.items():
        table.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
    screen.print(table)


@commands.command()
def digest() -> None:
    """What the ledger is now, signed: keep it, and `rewards ledger verify --digest` will notice a cut tail."""
    with _database() as (db, settings), db.snapshot() as session:
        taken = digests.take(session, clock_for(settings.clock_file))
        _say(digests.signed(taken, keys.signer(settings)))


@commands.command()
def prove(table: str, document_id: str, version: Version = None, wait: bool = False) -> None:
    """A revision with the proof that it is in the ledger; `app/ledger/offline.py` checks it anywhere."""
    with _database() as (db, settings), db.read() as session:
        _say(proofs.proof(session, table, document_id, version, clock_for(settings.clock_file), wait=wait))


@commands.command()
def verify(
    against: Annotated[Path | None, typer.Option("--digest", help="a saved one: it must be of this chain")] = None,
) -> None:
    """Recompute every leaf, root and link; the first that does not fit is named, with exit code 1."""
    text = _read(against) if against else None
    with _database() as (db, _), db.snapshot() as session:
        known = digests.read(text, str(repository.ledger_id(session))) if text else None
        verdict = service.verify(session, known)
    if verdict.fault:
        screen.print(f"[red]not intact[/] {verdict.fault}", soft_wrap=True)
        raise typer.Exit(1)
    screen.print(
        f"intact: {verdict.revisions:,} revisions in {verdict.blocks:,} blocks, root {verdict.root.hex()}",
        soft_wrap=True,
    )


@commands.command()
def history(
    table: str,
    document_id: str,
    since: Annotated[str | None, typer.Option("--from", help="inclusive: 2026-11-22T00:00:00Z")] = None,
    until: Annotated[str | None, typer.Option("--to", help="exclusive")] = None,
) -> None:
    """Every revision of a document."""
    with _database() as (db, _), db.read() as session:
        for entry in service.history(session, table, document_id, _instant(since), _instant(until)):
            _say({**entry.__dict__, "sealed": entry.sealed})


@commands.command("export")
def export_(
    since: Annotated[str | None, typer.Option("--from", help="inclusive: 2026-11-22T00:00:00Z")] = None,
    until: Annotated[str | None, typer.Option("--to", help="exclusive")] = None,
    resume: Annotated[str | None, typer.Option(help="the id of an export that was cut short")] = None,
) -> None:
    """Write the blocks of a time range to the archive bucket; `app/ledger/offline.py` checks them anywhere."""
    first, last = _instant(since), _instant(until)
    with _database() as (db, settings):
        archive, clock = _archive(settings), clock_for(settings.clock_file)
        if resume:
            export_id = resume
        elif first and last:
            with db.snapshot() as session:
                export_id = export.start(session, archive, first, last)
        else:
            raise BadInput("an export needs --from and --to, or --resume with its id")
        sys.stderr.write(f"export {export_id}\n")
        written = export.run(db, archive, export_id, keys.signer(settings), clock)
    _say({"exportId": export_id, "objects": written, "at": f"s3://{archive.bucket}/{archive.prefix}/{export_id}"})


@commands.command()
def redact(
    table: str,
    document_id: str,
    by: Annotated[str, typer.Option(help="who asks for it")],
    reason: Annotated[str, typer.Option(help="why")],
) -> None:
    """Erase a document's data for good, in the ledger and its exports. Every proof still holds."""
    with _database(redacting=True) as (db, settings):
        with db.write() as session:
            erased = service.redact(session, table, document_id, by, reason)
        objects = export.erase(db, _archive(settings), table, document_id)
    _say({"revisions": erased, "objects": objects})


@commands.command("stream")
def stream_(
    name: str,
    kinesis: Annotated[str, typer.Option(help="the Kinesis stream that it goes to")],
    since: Annotated[str | None, typer.Option("--from", help="inclusive: 2026-11-22T00:00:00Z")] = None,
    until: Annotated[str | None, typer.Option("--to", help="exclusive; without it the stream goes on")] = None,
) -> None:
    """Let another stream of the journal begin."""
    with _database() as (db, _), db.write() as session:
        stream.start(session, Stream(name, kinesis, _instant(since), _instant(until)))


@contextmanager
def _database(*, redacting: bool = False) -> Iterator[tuple[Database, Settings]]:
    settings = found()
    db = Database.open(settings.redacting() if redacting else settings, JOBS)
    try:
        yield db, settings
    finally:
        db.close()


def _archive(settings: Settings) -> Archive:
    return Archive(boto3.client("s3"), settings.archive_bucket)


def _instant(text: str | None) -> datetime | None:
    """Raises BadInput."""
    try:
        return TypeAdapter(Instant).validate_python(text) if text else None
    except ValidationError:
        raise BadInput(f"{text} is not an instant; write it with its zone, as 2026-11-22T00:00:00Z") from None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError) as refused:
        raise BadInput(f"{path} can't be read: {refused}") from None


def _say(record: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(record).decode() + "\n")
