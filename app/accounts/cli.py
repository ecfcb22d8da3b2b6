"""Commands: `rewards corrections …` corrects a member's points, `rewards member statement` shows a yearly statement."""

from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from app.accounts import corrections as correcting
from app.accounts import statements
from app.accounts.corrections_models import Correction, CorrectionDraft, CorrectionState
from app.accounts.corrections_routes import CorrectionIn, CorrectionMoveIn
from app.terminal import By, Limit, Why, checked, clock, opened, screen, session

corrections = typer.Typer(no_args_is_help=True, help="Correct a member's points by hand.")
Evidence = Annotated[str, typer.Option(help="what supports it: a reference, or a description")]


@corrections.command()
def book(
    member_id: UUID,
    points: Annotated[int, typer.Option(help="points to book to the member")],
    by: By,
    reason: Why,
    evidence: Evidence,
) -> None:
    """Book points to a member; beyond the limit per member and day, a second administrator must approve."""
    _propose(member_id, points, by, reason, evidence)


@corrections.command()
def take(
    member_id: UUID,
    points: Annotated[int, typer.Option(help="points to take from the member")],
    by: By,
    reason: Why,
    evidence: Evidence,
) -> None:
    """Take points from a member; beyond the limit per member and day, a second administrator must approve."""
    _propose(member_id, -points, by, reason, evidence)


@corrections.command()
def approve(correction_id: UUID, by: By) -> None:
    """Approve and book a correction that another administrator proposed."""
    with opened() as (db, clock), db.write() as session:
        approved = correcting.approve(session, correction_id, by, clock)
    _show([approved])


@corrections.command()
def reject(correction_id: UUID, by: By, reason: Why) -> None:
    """Reject a proposed correction; its author may withdraw it this way."""
    checked(CorrectionMoveIn, to="rejected", reason=reason)
    with opened() as (db, clock), db.write() as session:
        rejected = correcting.reject(session, correction_id, by, reason, clock)
    _show([rejected])


@corrections.command()
def reverse(correction_id: UUID, by: By, reason: Why) -> None:
    """Reverse a booked correction; the program's return policy decides whether spent points are taken back."""
    checked(CorrectionMoveIn, to="reversed", reason=reason)
    with opened() as (db, clock), db.write() as session:
        reversed_ = correcting.reverse(session, correction_id, by, reason, clock)
    _show([reversed_])


@corrections.command("list")
def list_(
    state: Annotated[
        CorrectionState | None, typer.Option(help="only this state; proposed ones wait for approval")
    ] = None,
    member_id: Annotated[UUID | None, typer.Option("--member", help="only this member's")] = None,
    limit: Limit = 100,
) -> None:
    """List corrections, newest first."""
    states = [state] if state else list(CorrectionState)
    with opened() as (db, _), db.read() as session:
        newest = correcting.corrections(session, member_id, states, None, limit)
    _show(newest)


def _propose(member_id: UUID, points: int, by: UUID, reason: str, evidence: str) -> None:
    request = checked(CorrectionIn, member_id=member_id, points=points, reason=reason, evidence=evidence)
    draft = CorrectionDraft(**request.model_dump())
    with opened() as (db, clock), db.write() as session:
        proposed = correcting.propose(session, draft, by, clock)
    _show([proposed])


def _show(rows: list[Correction]) -> None:
    table = Table()
    for column in ("correction", "member", "points", "state", "proposed by"):
        table.add_column(column, no_wrap=True)
    table.add_column("reason")
    for row in rows:
        ids = (str(row.correction_id), str(row.member_id))
        table.add_row(*ids, f"{row.points:,}", row.state, str(row.proposed_by), row.reason)
    screen.print(table)


def statement(
    member_id: UUID,
    year: Annotated[int, typer.Option(help="in the program's time zone", min=1970, max=9000)],
    lines: Annotated[bool, typer.Option(help="list each month's entries")] = True,
) -> None:
    """Show a member's year by month: opening + earned + corrected − returned − spent − expired = closing."""
    with session() as snapshot:
        account = statements.of_member(snapshot, member_id, year, clock())
    sums = ("opening", "earned", "corrected", "returned", "spent", "expired", "closing")
    columns = (*sums, "confirmed", "pending", "available", "owed")
    table = Table("month", *columns, title=f"Points of {year}", title_justify="left")
    for month in account.months:
        table.add_row(month.month, *(f"{getattr(month, column):,}" for column in columns))
    screen.print(table)
    for month in account.months if lines else ():
        listed = Table("at", "", "points", "for", "order or redemption", title=month.month, title_justify="left")
        for line in month.entries:
            listed.add_row(f"{line.at:%m-%d}", line.kind, f"{line.points:,}", line.says, str(line.reference or ""))
        screen.print(listed)
