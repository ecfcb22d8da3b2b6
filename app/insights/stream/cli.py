"""The `rewards stream` commands, and the `rewards insights` commands that query the hourly sales counts."""

import sys
from typing import Annotated

import typer

from app import lags
from app.insights.stream import consumer, quarantine
from app.insights.stream import windows_repository as windows
from app.insights.stream.models import Aside, BusyHour, By, Seller, Span
from app.insights.stream.routes import A_DAY, FOUR_WEEKS
from app.insights.stream.spans import whole_hours
from app.settings import command_settings
from app.tabular import show
from app.terminal import AsCsv, Limit, Since, Until, clock, database, screen, session, show_facts, when

commands = typer.Typer(no_args_is_help=True, help="The journal stream's consumer.")
analysts = typer.Typer()


@commands.command("status")
def show_status() -> None:
    """Show the progress of the stream and its consumer; exit code 1 if late, or blocks or records are missing."""
    with session() as opened:
        status, gaps = consumer.status(opened), consumer.gaps(opened)
        behind = [lag for lag in lags.read(opened, command_settings(), clock()) if lag.part in lags.STREAM]
    show_facts("Consumer", {**vars(status), "newest": status.newest or ""})
    for lag in behind:
        screen.print(f"[red]late[/] {lag.part}: {lag}" if lag.is_late else f"{lag.part}: {lag}", soft_wrap=True)
    for gap in gaps:
        screen.print(f"[red]missing[/] blocks {gap.first} to {gap.last}: `rewards ledger stream` sends them again")
    late = any(lag.is_late for lag in behind)
    raise typer.Exit(1 if late or gaps or status.quarantined else 0)


@commands.command("quarantine")
def list_quarantine(
    raw: Annotated[str | None, typer.Option(help="print the bytes of this record: SHARD:POSITION")] = None,
    limit: Limit = 100,
    as_csv: AsCsv = False,
) -> None:
    """List the quarantined records of the stream, and why they could not be parsed."""
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
    """Parse quarantined records again and apply the valid ones; exit code 1 if some still can't be parsed."""
    with database() as db:
        records = quarantine.redrive(db, position)
    screen.print(f"{records.applied:,} applied, {records.still_bad:,} still can't be read")
    raise typer.Exit(1 if records.still_bad else 0)


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
    """Show the top sellers by units; by default, of the last day."""
    with session() as opened:
        ends = when(since, "--since"), when(until, "--until")
        span = whole_hours(opened, *ends, clock(), hours=A_DAY, hour_of_day=hour_of_day, weekday=weekday)
        sellers = windows.top_sellers(opened, span, by, None, limit)
    show(f"Top sellers, {_hours(span)}", Seller, sellers, as_csv=as_csv, screen=screen)


@analysts.command()
def busy_hours(since: Since = None, until: Until = None, as_csv: AsCsv = False) -> None:
    """Show orders, units and money by hour of the week; by default, of the last four weeks."""
    with session() as opened:
        span = whole_hours(opened, when(since, "--since"), when(until, "--until"), clock(), hours=FOUR_WEEKS)
        hours = windows.busy_hours(opened, span)
    show(f"Hours of the week (1 is Monday), {_hours(span)}", BusyHour, hours, as_csv=as_csv, screen=screen)


def _hours(span: Span) -> str:
    return f"{span.since:%Y-%m-%d %H:%M} to {span.until:%Y-%m-%d %H:%M} UTC"
