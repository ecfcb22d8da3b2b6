"""`rewards …`: one line for an error, and exit code 2; never a trace."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import DatabaseError, OperationalError
from psycopg_pool import PoolTimeout
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table
from typer.exceptions import Abort, TyperException

from app import aws
from app.accounts import statements
from app.accounts.cli import corrections as corrections_commands
from app.campaigns.offers_cli import offers as offers_commands
from app.campaigns.rules_cli import rules as rules_commands
from app.catalog.models import StockMeans
from app.clock import ShiftedClock, clock_for
from app.db import JOBS, Database
from app.erasure import service as erasure
from app.erasure.service import Ground
from app.errors import BadInput, Misconfigured, RewardsError
from app.insights.capacity.cli import capacity
from app.insights.cli import commands as insights_commands
from app.insights.stream.cli import commands as stream_commands
from app.ledger.archive import Archive
from app.ledger.cli import commands as ledger_commands
from app.ledger.cli import instant
from app.members import service as members
from app.night import reconcile as reconciling
from app.night import service as nightly_calculation
from app.offers import outlook
from app.settings import FOLDER, Settings, found
from app.signing import Role, signer_of, signer_of_people
from app.text import UNSTORABLE
from app.times import Day
from app.vendors import intake
from app.vendors.feed import COLUMNS, ENCODING, LIMITS
from app.vendors.models import Counting, FeedMode
from app.vendors.stock import COUNTED_AT, MEANS
from app.vendors.uploads import Upload

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The rewards platform.", pretty_exceptions_enable=False
)
load = typer.Typer(no_args_is_help=True, help="Load data to try the platform on.")
member = typer.Typer(no_args_is_help=True, help="Look at one member.")
clock = typer.Typer(no_args_is_help=True, help="One machine only: look at the platform's clock, or move it ahead.")
app.add_typer(load, name="load")
app.add_typer(member, name="member")
app.add_typer(clock, name="clock")
app.add_typer(ledger_commands, name="ledger")
app.add_typer(rules_commands, name="rules")
app.add_typer(offers_commands, name="offers")
app.add_typer(corrections_commands, name="corrections")
app.add_typer(insights_commands, name="insights")
app.add_typer(stream_commands, name="stream")
app.command()(capacity)

screen = Console(width=None if sys.stdout.isatty() else 160)  # a pipe is not 80 columns wide
ANYONE = UUID(int=1)
MOST_AHEAD = timedelta(days=3_660)


def main() -> None:
    if any(UNSTORABLE.search(argument) for argument in sys.argv):
        _fail("an argument is not text in UTF-8")
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # what it tells of, we say in a line of our own
    try:
        sys.exit(app(prog_name="rewards", standalone_mode=False))
    except TyperException as wrong:
        _fail(_usage(wrong))
    except Abort:
        sys.exit(130)  # Ctrl-C
    except RewardsError as refused:
        _fail(str(refused))
    except (OperationalError, PoolTimeout) as lost:
        _fail(f"the database does not answer: {_first_line(lost)}; is it running? make up")
    except (BotoCoreError, ClientError) as refused:
        _fail(f"AWS, or what stands in for it, refused: {_first_line(refused)}")
    except DatabaseError as refused:
        _fail(f"the database refused: {_first_line(refused)}; see `rewards doctor`")


def _usage(wrong: TyperException) -> str:
    """What is wrong and where to look, in one line; a group without a command has shown its help by now."""
    context = getattr(wrong, "ctx", None)
    said = " ".join(wrong.format_message().replace("Value error, ", "").split()).removesuffix(".")
    where = f"; see {context.command_path} --help" if context else ""
    return (said or "which command?") + where


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _fail(said: str) -> None:
    sys.stderr.write(f"rewards: {said}\n")
    sys.exit(2)


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    db = Database.open(settings, JOBS)
    try:
        yield db
    finally:
        db.close()


def _table(title: str, rows: dict[str, Any]) -> None:
    table = Table(title=title, show_header=False, title_justify="left")
    for name, value in rows.items():
        table.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
    screen.print(table)


@app.command()
def up(
    port: Annotated[int, typer.Option(help="the API's", min=1, max=65535)] = 8000,
    weeks: Annotated[int, typer.Option(help="of shopping data to load first; 0 for none", min=0, max=53)] = 4,
) -> None:
    """Run the whole platform on this machine until Ctrl-C. Data stay in .rewards."""
    from app.local import stack  # noqa: PLC0415

    stack.up(FOLDER, port, load=(lambda: _load_journey(weeks)) if weeks else None, console=screen)


@app.command()
def doctor() -> None:
    """Say what runs, what is missing, and how to mend it."""
    from app.local.doctor import checks  # noqa: PLC0415

    found = checks(FOLDER.absolute())
    table = Table("", "part", "says", "to mend it")
    for check in found:
        table.add_row("[green]ok[/]" if check.ok else "[red]no[/]", check.name, check.says, check.mend)
    screen.print(table)
    raise typer.Exit(0 if all(check.ok for check in found) else 1)


@load.command()
def journey(
    weeks: Annotated[int, typer.Option(help="how many weeks of the year", min=1, max=53)] = 4,
    whole: Annotated[bool, typer.Option("--all", help="the whole year")] = False,
) -> None:
    """The Complete Journey: a year of 2,469 households' shopping, simulated for teaching. Goes on where it stopped."""
    _load_journey(53 if whole else weeks)


def _load_journey(weeks: int) -> None:
    from app.local import replay  # noqa: PLC0415

    with _database(found()) as db:
        replay.load(db, weeks, screen)


@app.command()
def nightly(
    on: Annotated[str | None, typer.Option("--date", help="YYYY-MM-DD; today in the program's zone if absent")] = None,
) -> None:
    """Confirm the points that are due, expire what is due, renew subscriptions."""
    settings = found()
    with _database(settings) as db:
        report = nightly_calculation.run(db, clock_for(settings.clock_file), None if on is None else _day(on))
    _table("Nightly calculation", report.__dict__)


@app.command()
def reconcile() -> None:
    """Compare lots, wallets, postings and the ledger; the first difference is named, with exit code 1."""
    settings = found()
    with _database(settings) as db:
        books = reconciling.run(db, clock_for(settings.clock_file))
    if books.difference:
        screen.print(f"[red]they differ[/] {books.difference}", soft_wrap=True)
        raise typer.Exit(1)
    screen.print(f"clean: lots, wallets, postings and the ledger agree on {books.wallets:,} wallets")


def _day(text: str) -> date:
    try:
        return TypeAdapter(Day).validate_python(text)
    except ValidationError:
        raise BadInput(f"--date {text} is not a day; write it as 2026-11-22") from None


@clock.command()
def show() -> None:
    """What time the platform has."""
    settings = found()
    screen.print(f"{clock_for(settings.clock_file).now():%Y-%m-%d %H:%M:%S} UTC")


@clock.command()
def advance(by: Annotated[str, typer.Argument(help="15d, 6h or 30m")]) -> None:
    """Move the clock ahead: the nights in between are calculated as they would have been, late."""
    settings = found()
    if settings.clock_file is None:
        raise Misconfigured("the clock can be moved only on one machine (REWARDS_CLOCK_FILE is not set)")
    shifted = ShiftedClock(settings.clock_file)
    shifted.advance(_span(by))
    screen.print(f"The platform's clock says {shifted.now():%Y-%m-%d %H:%M:%S} UTC")


def _span(text: str) -> timedelta:
    unit = {"d": "days", "h": "hours", "m": "minutes"}.get(text[-1:])
    if unit is None or not (text.isascii() and text[:-1].isdecimal()):
        raise BadInput(f"{text} is not a span of time; write 15d, 6h or 30m (the clock moves ahead only)")
    try:
        by = timedelta(**{unit: int(text[:-1])})
    except OverflowError:
        by = timedelta.max
    if by > MOST_AHEAD:
        raise BadInput(f"{text} is too far: the clock moves at most {MOST_AHEAD.days} days at a time")
    return by


@app.command()
def token(
    role: Annotated[Role, typer.Argument(help="what the token may do")],
    subject: Annotated[UUID, typer.Option(help="whose it is: the member's or the vendor's id")] = ANYONE,
    hours: Annotated[int, typer.Option(min=1, max=24 * 30)] = 12,
) -> None:
    """Print a bearer token of this machine's own issuers: one for vendors, one for everyone else."""
    settings = found()
    signer = signer_of(settings) if role is Role.VENDOR else signer_of_people(settings)
    sys.stdout.write(signer.token(subject, role, time.time(), hours * 3600) + "\n")


@app.command()
def database() -> None:
    """Print the database's address, for psql."""
    sys.stdout.write(found().database_url + "\n")


@member.command()
def wallet(
    member_id: UUID,
    lots: Annotated[int, typer.Option(help="how many of the newest lots to show", min=0, max=1000)] = 10,
) -> None:
    """A member's points, and where the newest come from."""
    settings = found()
    with _database(settings) as db, db.snapshot() as session:
        members.member(session, member_id)  # one there is; a member without points has an empty wallet
        clock = clock_for(settings.clock_file)
        held = outlook.wallet(session, member_id, clock)
        newest = outlook.lots(session, member_id, clock, None, lots)
    screen.print(f"pending {held.pending:,}   available {held.available:,}")
    table = Table("earned", "points", "unspent", "state", "matures", "because")
    for lot in newest:
        table.add_row(
            *(f"{lot.earned_at:%Y-%m-%d}", f"{lot.points:,}", f"{lot.unspent:,}", lot.state, str(lot.matures_on)),
            f"{lot.explanation['gives']} ({lot.explanation['rule']})",
        )
    screen.print(table)


@member.command()
def erase(
    member_id: UUID,
    by: Annotated[str, typer.Option(help="who asks for it")],
    reason: Annotated[str, typer.Option(help=f"{', '.join(Ground)}; other words are not kept")],
) -> None:
    """Forget a member for good: every word about them, in tables, ledger and exports. The books stay true."""
    settings = found()
    archive, clock = Archive(aws.client("s3"), settings.archive_bucket), clock_for(settings.clock_file)
    with _database(settings) as db, _database(settings.redacting()) as redacting:
        gone = erasure.erase(db, redacting, archive, member_id, by, reason, clock)
    screen.print(f"erased {gone.revisions} revisions of {gone.documents} documents, {gone.objects} objects of exports")


@member.command()
def statement(
    member_id: UUID,
    year: Annotated[int, typer.Option(help="in the program's time zone", min=1970, max=9000)],
    lines: Annotated[bool, typer.Option(help="show what each month's points are for")] = True,
) -> None:
    """A member's points of a year: opening + earned + corrected − returned − spent − expired = closing, by month."""
    settings = found()
    with _database(settings) as db, db.snapshot() as session:
        told = statements.of_member(session, member_id, year, clock_for(settings.clock_file))
    sums = ("opening", "earned", "corrected", "returned", "spent", "expired", "closing")
    columns = (*sums, "confirmed", "pending", "available", "owed")
    table = Table("month", *columns, title=f"Points of {year}", title_justify="left")
    for month in told.months:
        table.add_row(month.month, *(f"{getattr(month, column):,}" for column in columns))
    screen.print(table)
    for month in told.months if lines else ():
        listed = Table("at", "", "points", "for", "order or redemption", title=month.month, title_justify="left")
        for line in month.entries:
            listed.add_row(f"{line.at:%m-%d}", line.kind, f"{line.points:,}", line.says, str(line.reference or ""))
        screen.print(listed)


@app.command(help=f"Upload a vendor's products and see each bad row.\n\n{COLUMNS}.\n\nLimits: {LIMITS}.")
def feed(
    vendor_id: UUID,
    path: Annotated[Path, typer.Argument(help="a CSV file")],
    mode: Annotated[
        FeedMode, typer.Option(help="apply nothing if a row is bad, or the good rows")
    ] = FeedMode.ALL_OR_NOTHING,
    encoding: Annotated[str | None, typer.Option(help=ENCODING)] = None,
    stock: Annotated[StockMeans, typer.Option(help=MEANS)] = StockMeans.COUNTED,
    counted_at: Annotated[str | None, typer.Option(help=f"{COUNTED_AT}; as 2026-11-22T18:00:00Z")] = None,
) -> None:
    settings = found()
    with _file(path, encoding) as upload, _database(settings) as db:
        counting = Counting(stock, instant(counted_at))
        report = intake.take(db, vendor_id, upload, mode, clock_for(settings.clock_file), counting)
    _table("Feed", {key: value for key, value in report.__dict__.items() if key not in {"errors", "stock"}})
    if report.stock and report.stock.first_sent_at:
        screen.print(report.stock.says, markup=False, soft_wrap=True)
    for short in report.stock.short if report.stock else ():
        screen.print(f"row {short.row}, {short.sku}: {short.says}", markup=False, soft_wrap=True)
    for error in report.errors:
        screen.print(f"row {error.row}, {error.column}: {error.message}. {error.fix}", markup=False, soft_wrap=True)
    raise typer.Exit(0 if report.applied and not report.errors else 1)


def _file(path: Path, encoding: str | None) -> Upload:
    try:
        with path.open("rb") as file:
            return Upload.of(iter(lambda: file.read(64 * 1024), b""), encoding)
    except OSError as refused:
        raise BadInput(f"{path} can't be read: {refused.strerror}") from None
