"""`rewards ledger …`: what it finds goes to standard output as JSON lines; a refusal is one line, with exit code 2."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from app import aws
from app.clock import clock_for
from app.db import JOBS, Database
from app.errors import BadInput
from app.ledger import archive as archives
from app.ledger import digests, exports, keys, proofs, repository, service, stream
from app.ledger.archive import Archive
from app.ledger.cursors import Stream
from app.settings import Settings, command_settings
from app.times import Instant

commands = typer.Typer(no_args_is_help=True, help="Look into the ledger and check it.")
screen = Console(width=None if sys.stdout.isatty() else 160)
Version = Annotated[int | None, typer.Option(help="of the document; the newest if absent", min=0)]


@commands.command()
def status() -> None:
    """How much is sealed."""
    with _database() as (db, _), db.snapshot() as session:
        status = service.status(session).__dict__
    table = Table(title="Ledger", show_header=False, title_justify="left")
    for name, value in status.items():
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
        trusted = digests.read(text, str(repository.ledger_id(session))) if text else None
        verdict = service.verify(session, trusted)
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
        for entry in service.history(session, table, document_id, instant(since), instant(until)):
            _say({**entry.__dict__, "sealed": entry.sealed})


@commands.command("export")
def export_(
    since: Annotated[str | None, typer.Option("--from", help="sealed then or later: 2026-11-22T00:00:00Z")] = None,
    until: Annotated[str | None, typer.Option("--to", help="sealed before")] = None,
    first: Annotated[int | None, typer.Option(help="the number of the first block", min=0)] = None,
    last: Annotated[int | None, typer.Option(help="the number of the last block", min=0)] = None,
    resume: Annotated[str | None, typer.Option(help="the id of an export that was cut short")] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="write what the hourly exports lack, so that the warehouse can go on")
    ] = False,
) -> None:
    """Write blocks to the archive bucket, by time or number; `app/ledger/offline.py` checks them anywhere."""
    ways = ((since, until), (first, last), (resume,), (repair or None,))
    chosen = [way for way in ways if any(value is not None for value in way)]
    if len(chosen) != 1 or None in chosen[0]:
        raise BadInput("an export needs --from and --to, or --first and --last, or --resume with its id, or --repair")
    with _database() as (db, settings):
        archive, clock, signer = _archive(settings), clock_for(settings.clock_file), keys.signer(settings)
        if repair:
            _say({"exports": exports.repair(db, archive, signer, clock)})
            return
        export_id = resume or str(_start(db, archive, since, until, first, last))
        written = archives.run(db, archive, export_id, signer, clock)
    _say({"exportId": export_id, "objects": written, "at": f"s3://{archive.bucket}/{archive.prefix}/{export_id}"})


def _start(
    db: Database, archive: Archive, since: str | None, until: str | None, first: int | None, last: int | None
) -> UUID:
    """Start an export and print its id at once, so that a killed export can be resumed."""
    begin, end = instant(since), instant(until)
    with db.snapshot() as session:
        if begin and end:
            span = archives.sealed_between(session, begin, end)
        else:
            span = archives.numbered(session, first or 0, last or 0)
        export_id = archives.start(session, archive, span)
    sys.stderr.write(f"export {export_id}\n")
    return export_id


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
        objects = archives.erase(db, _archive(settings), [(table, document_id)])
    _say({"revisions": erased, "objects": objects})


@commands.command("stream")
def stream_(
    name: str,
    kinesis: Annotated[str, typer.Option(help="the Kinesis stream that it goes to")],
    since: Annotated[str | None, typer.Option("--from", help="inclusive: 2026-11-22T00:00:00Z")] = None,
    until: Annotated[str | None, typer.Option("--to", help="exclusive; without it the stream goes on")] = None,
) -> None:
    """Let another stream of the journal begin."""
    order = Stream(name, kinesis, instant(since), instant(until))
    stream.check(aws.client("kinesis"), order)
    with _database() as (db, _), db.write() as session:
        stream.start(session, order)


@commands.command("end-stream")
def end_stream(name: str) -> None:
    """Send nothing more to a stream that was started with `rewards ledger stream`."""
    with _database() as (db, settings), db.write() as session:
        stream.end(session, name, settings.stream_name)


@contextmanager
def _database(*, redacting: bool = False) -> Iterator[tuple[Database, Settings]]:
    settings = command_settings()
    db = Database.open(settings.redacting() if redacting else settings, JOBS)
    try:
        yield db, settings
    finally:
        db.close()


def _archive(settings: Settings) -> Archive:
    return Archive(aws.client("s3"), settings.archive_bucket)


def instant(text: str | None) -> datetime | None:
    """Parse an instant with a zone. Raises BadInput."""
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
