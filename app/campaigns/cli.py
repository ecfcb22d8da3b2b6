"""Command-line commands of earning rules and of offers: `list`, `show`, `transition`, `approve` and `copy`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
import typer
from rich.table import Table

from app.campaigns import life
from app.campaigns.desks import Desk
from app.campaigns.life import Deed, Subject
from app.campaigns.schemas import LifeMove, LifeMoveIn, ReasonIn
from app.clock import Clock
from app.db import WriteSession
from app.earning.lifecycle import State
from app.errors import FieldError
from app.terminal import By, checked, opened, screen

Reason = Annotated[str, typer.Option(help="the reason, recorded in the ledger")]


def add_commands(group: typer.Typer, desk: Desk[Subject]) -> None:
    """Add the commands `list`, `show`, `transition`, `approve` and `copy` for rules or offers to a command group."""
    name = desk.name
    Key = Annotated[UUID, typer.Argument(metavar=f"{name.upper()}_ID", show_default=False)]  # noqa: N806  a type

    @group.command("list", help=f"List all {name}s in the order of their ids.")
    def list_(
        state: Annotated[State | None, typer.Option(help="only this state")] = None,
        after: Annotated[UUID | None, typer.Option(help="only ids after this one")] = None,
        limit: Annotated[int, typer.Option(help="rows at most", min=1, max=1000)] = 100,
    ) -> None:
        with opened() as (db, clock), db.read() as session:
            _print_list(name, desk.list(session, state, clock, after, limit), clock.now())

    @group.command(help=f"Show one {name} with the API's fields.")
    def show(key: Key) -> None:
        with opened() as (db, clock), db.snapshot() as session:
            subject = desk.look_up(session, key)
            print_one(desk, subject, clock, life.past_limits(session, desk.kind, subject, clock))

    @group.command(help=f"Start or resume (running), pause or end the {name}.")
    def transition(key: Key, to: LifeMove, by: By, reason: Reason) -> None:
        move = checked(LifeMoveIn, to=to, reason=reason)
        do(desk, by, move.reason, lambda session, deed: life.move(session, desk.kind, key, State(move.to), deed))

    @group.command(help=f"Let a draft {name} exceed the program's limits; not by its author or last editor.")
    def approve(key: Key, by: By, reason: Reason) -> None:
        why = checked(ReasonIn, reason=reason).reason
        do(desk, by, why, lambda session, deed: life.approve(session, desk.kind, key, deed))

    @group.command(help=f"Copy the {name} to a new draft.")
    def copy(key: Key, by: By, reason: Reason) -> None:
        why = checked(ReasonIn, reason=reason).reason
        do(desk, by, why, lambda session, deed: life.copy(session, desk.kind, key, deed))


def do(desk: Desk[Subject], by: UUID, reason: str, work: Callable[[WriteSession, Deed], Subject]) -> None:
    """Run `work`, which changes a rule or offer, in one transaction, and print the resulting rule or offer."""
    with opened() as (db, clock):
        with db.write() as session:
            subject = work(session, Deed(by, reason, clock))
            past_limits = life.past_limits(session, desk.kind, subject, clock)
        print_one(desk, subject, clock, past_limits)


def print_one(desk: Desk[Subject], subject: Subject, clock: Clock, past_limits: Sequence[FieldError]) -> None:
    table = Table(show_header=False)
    for name, value in desk.out.of(subject, clock.now(), past_limits).model_dump(mode="json").items():
        table.add_row(name.replace("_", " "), _text(value))
    screen.print(table)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _print_list(name: str, subjects: Sequence[Subject], now: datetime) -> None:
    table = Table()
    for column in (name, "state", "from", "until"):
        table.add_column(column, no_wrap=True)
    table.add_column("name")
    for subject in subjects:
        dates = (f"{date:%Y-%m-%d %H:%M}" if date else "" for date in subject.dates)
        table.add_row(str(subject.key), subject.state(now), *dates, subject.title)
    screen.print(table)
