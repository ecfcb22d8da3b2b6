"""The command line, `rewards …`: an error prints one line and exits with code 2, never a traceback.

Commands that run the platform on one machine import `app.local` only when they run, because container images lack it.
"""

import logging
import sys
import time
from datetime import timedelta
from typing import Annotated
from uuid import UUID

import typer
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import DatabaseError, OperationalError
from psycopg_pool import PoolTimeout
from rich.table import Table
from typer.exceptions import Abort, TyperException

from app import terminal
from app.accounts.cli import corrections as corrections_commands
from app.accounts.cli import statement
from app.campaigns.offers_cli import offers as offers_commands
from app.campaigns.rules_cli import rules as rules_commands
from app.clock import ShiftedClock
from app.erasure.cli import erase
from app.errors import BadInput, Misconfigured, RewardsError, first_line
from app.floors.cli import floors
from app.insights.capacity.cli import capacity
from app.insights.cli import commands as insights_commands
from app.insights.stream.cli import commands as stream_commands
from app.ledger.cli import commands as ledger_commands
from app.night.cli import nightly, reconcile
from app.offers.cli import wallet
from app.recovery.cli import missing, recover
from app.settings import FOLDER, command_settings
from app.signing import Role, signer_of, signer_of_people
from app.terminal import screen
from app.text import UNSTORABLE
from app.vendors.cli import FEED_HELP, feed

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

ANYONE = UUID(int=1)
MOST_AHEAD = timedelta(days=3_660)


def main() -> None:
    if any(UNSTORABLE.search(argument) for argument in sys.argv):
        _fail("an argument is not text in UTF-8")
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # the errors that it logs are printed below
    try:
        sys.exit(app(prog_name="rewards", standalone_mode=False))
    except TyperException as wrong:
        _fail(_usage(wrong))
    except Abort:
        sys.exit(130)  # Ctrl-C
    except RewardsError as refused:
        _fail(str(refused))
    except (OperationalError, PoolTimeout) as error:
        _fail(f"the database does not answer: {first_line(error)}; is it running? make up")
    except (BotoCoreError, ClientError) as refused:
        _fail(f"AWS, or what stands in for it, refused: {first_line(refused)}")
    except DatabaseError as refused:
        _fail(f"the database refused: {first_line(refused)}; see `rewards doctor`")


def _usage(wrong: TyperException) -> str:
    """Return a usage error as one line that ends with how to get help."""
    context = getattr(wrong, "ctx", None)
    message = " ".join(wrong.format_message().replace("Value error, ", "").split()).removesuffix(".")
    where = f"; see {context.command_path} --help" if context else ""
    return (message or "which command?") + where


def _fail(message: str) -> None:
    sys.stderr.write(f"rewards: {message}\n")
    sys.exit(2)


def up(
    port: Annotated[int, typer.Option(help="port of the API", min=1, max=65535)] = 8000,
    weeks: Annotated[int, typer.Option(help="weeks of shopping data to load first; 0 for none", min=0, max=53)] = 4,
) -> None:
    """Run the whole platform on this machine until Ctrl-C. Its data are stored in .rewards."""
    from app.local import stack  # noqa: PLC0415

    stack.up(FOLDER, port, load=(lambda: _load_journey(weeks)) if weeks else None, console=screen)


def doctor() -> None:
    """Check the platform that runs on this machine, and print how to repair what fails."""
    from app.local.doctor import checks  # noqa: PLC0415

    results = checks(FOLDER.absolute())
    table = Table("", "part", "says", "to mend it")
    for check in results:
        table.add_row("[green]ok[/]" if check.ok else "[red]no[/]", check.name, check.says, check.mend)
    screen.print(table)
    raise typer.Exit(0 if all(check.ok for check in results) else 1)


@load.command()
def journey(
    weeks: Annotated[int, typer.Option(help="how many weeks of the year", min=1, max=53)] = 4,
    whole: Annotated[bool, typer.Option("--all", help="the whole year")] = False,
) -> None:
    """Load the Complete Journey, a simulated year of shopping of 2,469 households; resume an interrupted load."""
    _load_journey(53 if whole else weeks)


def _load_journey(weeks: int) -> None:
    from app.local import replay  # noqa: PLC0415

    with terminal.database() as db:
        replay.load(db, weeks, screen)


@clock.command()
def show() -> None:
    """Print the time of the platform's clock."""
    screen.print(f"{terminal.clock().now():%Y-%m-%d %H:%M:%S} UTC")


@clock.command()
def advance(by: Annotated[str, typer.Argument(help="15d, 6h or 30m")]) -> None:
    """Move the platform's clock ahead. The skipped nights' calculations run next, with the same results as on time."""
    settings = command_settings()
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


def token(
    role: Annotated[Role, typer.Argument(help="what the token may do")],
    subject: Annotated[UUID, typer.Option(help="whose it is: the member's or the vendor's id")] = ANYONE,
    hours: Annotated[int, typer.Option(min=1, max=24 * 30)] = 12,
) -> None:
    """Print a bearer token for a role, signed with this machine's key."""
    settings = command_settings()
    signer = signer_of(settings) if role is Role.VENDOR else signer_of_people(settings)
    sys.stdout.write(signer.token(subject, role, time.time(), hours * 3600) + "\n")


def database() -> None:
    """Print the database's URL, for psql."""
    sys.stdout.write(command_settings().database_url + "\n")


for command in (capacity, floors, up, doctor, nightly, reconcile, token, database):
    app.command()(command)
app.command(help=FEED_HELP)(feed)
ledger_commands.command()(missing)
ledger_commands.command()(recover)
member.command()(wallet)
member.command()(erase)
member.command()(statement)
