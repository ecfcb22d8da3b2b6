"""`rewards stream …` shows the consumer's state and quarantine; `rewards insights …` queries its windows."""

import sys
from typing import Annotated

import typer
from rich.table import Table

from app import lags
from app.insights.stream import consumer, quarantine, windows
from app.insights.stream.models import Aside, BusyHour, By, Seller, Span
from app.insights.stream.routes import A_DAY, FOUR_WEEKS
from app.settings import command_settings
from app.tabular import show
from app.terminal import AsCsv, Limit, Since, Until, clock, database, screen, session, when

commands = typer.Typer(no_args_is_help=True, help="The journal stream's consumer.")
analysts = typer.Typer()


@commands.command()
def status() -> None:
    """How far the stream and its consumer are; exit code 1 past a limit, or where blocks or records were left out."""
    with session() as opened:
        stands, gaps = consumer.status(opened), consumer.gaps(opened)
        behind = [lag for lag in lags.read(opened, command_settings(), clock()) if lag.part in lags.STREAM]
    table = Table(title="Consumer", show_header=False, title_justify="left")
    for name, value in vars(stands).items():
        table.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value or ""))
    screen.print(table)
    for lag in behind:
        screen.print(f"[red]late[/] {lag.part}: {lag}" if lag.is_late else f"{lag.part}: {lag}", soft_wrap=True)
    for gap in gaps:
        screen.print(f"[red]missing[/] blocks {gap.first} to {gap.last}: `rewards ledger stream` sends them again")
    late = any(lag.is_late for lag in behind)
    raise typer.Exit(1 if late or gaps or stands.quarantined else 0)


@commands.command("quarantine")
def list_quarantine(
    raw: Annotated[str | None, typer.Option(help="print this record's own bytes: SHARD:POSITION")] = None,
    limit: Limit = 100,
    as_csv: AsCsv = False,
) -> None:
    """What could not be read, and why."""
    with session() as opened:
        if raw is not None:
            shard, _, position = raw.rpartition(":")
            sys.stdout.buffer.write(quarantine.raw(opened, shard, position))
            return
        records = quarantine.aside(opened, limit)
    show("Quarantine", Aside, records, as_csv=as_csv, screen=screen)


@commands.command()
def redrive(
    position: Annotated[str | None, typer.Option(help="only this record; all of them if absent")] = None,
) -> None:
    """Read quarantined records again: the good count now, the bad stay. Exit code 1 where some stay."""
    with database() as db:
        done = quarantine.redrive(db, position)
    screen.print(f"{done.applied:,} applied, {done.still_bad:,} still can't be read")
    raise typer.Exit(1 if done.still_bad else 0)


@analysts.command()
def top_sellers(
    by: Annotated[By, typer.Option(help="what to add up by")] = By.PRODUCT,
    since: Since = None,
    until: Until = None,
    hour_of_day: Annotated[int | None, typer.Option(help="only this hour of the day", min=0, max=23)] = None,
    weekday: Annotated[int | None, typer.Option(help="only this day; 1 is Monday", min=1, max=7)] = None,
    limit: Limit = 10,
    as_csv: AsCsv = False,
) -> None:
    """What sold most units; of the last day if not said."""
    with session() as opened:
        span = windows.span(
            *(opened, when(since, "--since"), when(until, "--until"), clock()),
            hours=A_DAY,
            hour_of_day=hour_of_day,
            weekday=weekday,
        )
        sellers = windows.top_sellers(opened, span, by, None, limit)
    show(f"Top sellers, {_hours(span)}", Seller, sellers, as_csv=as_csv, screen=screen)


@analysts.command()
def busy_hours(since: Since = None, until: Until = None, as_csv: AsCsv = False) -> None:
    """Orders, units and money by hour of the week; of the last four weeks if not said."""
    with session() as opened:
        span = windows.span(opened, when(since, "--since"), when(until, "--until"), clock(), hours=FOUR_WEEKS)
        hours = windows.busy_hours(opened, span)
    show(f"Hours of the week (1 is Monday), {_hours(span)}", BusyHour, hours, as_csv=as_csv, screen=screen)


def _hours(span: Span) -> str:
    """Format a span's hours for a title."""
    return f"{span.since:%Y-%m-%d %H:%M} to {span.until:%Y-%m-%d %H:%M} UTC"
