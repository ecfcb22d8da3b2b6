"""`rewards nightly` runs the nightly calculation; `rewards reconcile` compares lots, wallets, postings and ledger."""

from datetime import date
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from app.errors import BadInput
from app.night import reconcile as reconciling
from app.night import service
from app.terminal import opened, screen, show_facts
from app.times import Day


def nightly(
    on: Annotated[str | None, typer.Option("--date", help="YYYY-MM-DD; today in the program's zone if absent")] = None,
) -> None:
    """Confirm and expire points whose date has come, and renew subscriptions."""
    with opened() as (db, clock):
        report = service.run(db, clock, None if on is None else _day(on))
    show_facts("Nightly calculation", report.__dict__)


def reconcile() -> None:
    """Compare lots, wallets, postings and the ledger; if they differ, print the first difference and exit with 1."""
    with opened() as (db, clock):
        books = reconciling.run(db, clock)
    if books.difference:
        screen.print(f"[red]they differ[/] {books.difference}", soft_wrap=True)
        raise typer.Exit(1)
    screen.print(f"clean: lots, wallets, postings and the ledger agree on {books.wallets:,} wallets")


def _day(text: str) -> date:
    try:
        return TypeAdapter(Day).validate_python(text)
    except ValidationError:
        raise BadInput(f"--date {text} is not a day; write it as 2026-11-22") from None
