"""The commands `rewards ledger …`. They print results as JSON lines; an error is one line, with exit code 2."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer
from pydantic import TypeAdapter, ValidationError

from app import aws
from app.db import Database
from app.errors import BadInput
from app.ledger import archive as archives
from app.ledger import digests, exports, proofs, repository, service, stream, verification
from app.ledger.archive import Archive
from app.ledger.cursors import Stream
from app.settings import Settings, command_settings
from app.terminal import clock, database, screen, session, show_facts
from app.times import Instant

commands = typer.Typer(no_args_is_help=True, help="Look into the ledger and check it.")
Version = Annotated[int | None, typer.Option(help="of the document; the newest if absent", min=0)]


@commands.command()
def status() -> None:
    """Show how many revisions and blocks are sealed."""
    with session() as snapshot:
        show_facts("Ledger", vars(service.status(snapshot)))


@commands.command()
def digest() -> None:
    """Print the ledger's signed digest. If you save it, `rewards ledger verify --digest` later detects changes."""
    with session() as snapshot:
        _print(digests.signed(digests.take(snapshot, clock()), digests.signer(command_settings())))


@commands.command()
def prove(table: str, document_id: str, version: Version = None, wait: bool = False) -> None:
    """Print a revision with its inclusion proof, which `app/ledger/offline.py` verifies without the database."""
    with database() as db, db.read() as session:
        _print(proofs.proof(session, table, document_id, version, clock(), wait=wait))


@commands.command()
def verify(
    against: Annotated[Path | None, typer.Option("--digest", help="a saved digest, to find in the chain")] = None,
) -> None:
    """Recompute all hashes; name the first block or revision that does not verify, with exit code 1."""
    text = _read(against) if against else None
    with session() as snapshot:
        trusted = digests.read(text, str(repository.ledger_id(snapshot))) if text else None
        verdict = verification.verify(snapshot, trusted)
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
    """Print every revision of a document, oldest first."""
    with database() as db, db.read() as session:
        for entry in service.history(session, table, document_id, instant(since), instant(until)):
            _print({**vars(entry), "sealed": entry.sealed})


@commands.command("export")
def export_(
    since: Annotated[str | None, typer.Option("--from", help="sealed then or later: 2026-11-22T00:00:00Z")] = None,
    until: Annotated[str | None, typer.Option("--to", help="sealed before")] = None,
    first: Annotated[int | None, typer.Option(help="the number of the first block", min=0)] = None,
    last: Annotated[int | None, typer.Option(help="the number of the last block", min=0)] = None,
    resume: Annotated[str | None, typer.Option(help="the id of an export that was cut short")] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="write what the hourly exports lack, so that the warehouse can be loaded")
    ] = False,
) -> None:
    """Export a range of blocks to the archive bucket; `app/ledger/offline.py` verifies exports without the database."""
    ways = ((since, until), (first, last), (resume,), (repair or None,))
    chosen = [way for way in ways if any(value is not None for value in way)]
    if len(chosen) != 1 or None in chosen[0]:
        raise BadInput("an export needs --from and --to, or --first and --last, or --resume with its id, or --repair")
    settings = command_settings()
    with database(settings) as db:
        archive, signer = _archive(settings), digests.signer(settings)
        if repair:
            _print({"exports": exports.repair(db, archive, signer, clock())})
            return
        with exports.leading(db):
            export_id = resume or str(_start(db, archive, since, until, first, last))
            written = archives.run(db, archive, export_id, signer, clock())
    _print({"exportId": export_id, "objects": written, "at": f"s3://{archive.bucket}/{archive.prefix}/{export_id}"})


def _start(
    db: Database, archive: Archive, since: str | None, until: str | None, first: int | None, last: int | None
) -> UUID:
    """Start an export, print its id to standard error, so that a killed export can be resumed, and return the id."""
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
    """Erase a document's data for good, in the ledger and its exports. All proofs still verify."""
    settings = command_settings()
    with database(settings.redacting()) as db:
        with db.write() as session:
            erased = service.redact(session, table, document_id, by, reason)
        objects = archives.erase(db, _archive(settings), [(table, document_id)])
    _print({"revisions": erased, "objects": objects})


@commands.command("stream")
def stream_(
    name: str,
    kinesis: Annotated[str, typer.Option(help="name of the Kinesis stream that gets the records")],
    since: Annotated[str | None, typer.Option("--from", help="inclusive: 2026-11-22T00:00:00Z")] = None,
    until: Annotated[str | None, typer.Option("--to", help="exclusive; without it the stream goes on")] = None,
) -> None:
    """Start one more stream of the ledger's blocks to Kinesis. The stream that feeds the sales counts goes on."""
    order = Stream(name, kinesis, instant(since), instant(until))
    stream.check(aws.client("kinesis"), order)
    with database() as db, db.write() as session:
        stream.start(session, order)


@commands.command("end-stream")
def end_stream(name: str) -> None:
    """End a stream that was started with `rewards ledger stream`."""
    with database() as db, db.write() as session:
        stream.end(session, name, command_settings().stream_name)


def _archive(settings: Settings) -> Archive:
    return Archive.of(settings, aws.client("s3"))


def instant(text: str | None) -> datetime | None:
    """Parse an ISO 8601 time, None for no text. Raises BadInput if it is malformed or has no time zone."""
    try:
        return TypeAdapter(Instant).validate_python(text) if text else None
    except ValidationError:
        raise BadInput(f"{text} is not an instant; write it with its zone, as 2026-11-22T00:00:00Z") from None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError) as refused:
        raise BadInput(f"{path} can't be read: {refused}") from None


def _print(record: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(record).decode() + "\n")
