"""`rewards rules simulate` and `rewards offers simulate`: print what a rule or offer would have given on past sales."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from app.campaigns import life
from app.campaigns.desks import Desk
from app.campaigns.files import content_of
from app.campaigns.life import Subject
from app.campaigns.simulation_schemas import SimulationIn, SimulationOut
from app.errors import BadInput
from app.money import written
from app.program import service as programs
from app.program.models import Program
from app.simulation.models import MOST_WEEKS, Share, Simulation
from app.terminal import checked, opened, screen

MOST_ROWS = 10


def add_simulate(group: typer.Typer, desk: Desk[Subject]) -> None:
    """Add the command `simulate`, for rules or for offers, to the group."""
    name = desk.name

    @group.command(help=f"Show what the {name} would have given on past sales. Stores nothing.")
    def simulate(
        key: Annotated[UUID | None, typer.Argument(metavar=f"{name.upper()}_ID", show_default=False)] = None,
        file: Annotated[
            str,
            typer.Option(
                help=f"a JSON or YAML file with the fields of POST /{name}s, instead of an id; - is standard input"
            ),
        ] = "",
        weeks: Annotated[int, typer.Option(help="number of weeks", min=1, max=MOST_WEEKS)] = 4,
        until: Annotated[str, typer.Option(help="last day of the weeks; today if absent")] = "",
        as_json: Annotated[bool, typer.Option("--json", help="print the API's response")] = False,
    ) -> None:
        if (key is None) == (file == ""):
            raise BadInput(f"name a {name} by its id, or by --file: one of both")
        request = checked(SimulationIn, weeks=weeks, until=until or None)
        with opened() as (db, clock), db.snapshot() as session:
            program = programs.program(session)
            if key:
                subject = desk.look_up(session, key)
            else:
                subject = checked(desk.new, **content_of(Path(file))).subject(program.zone)
            simulation = life.simulate(session, desk.kind, subject, request.period(program, clock), None)
        if as_json:
            print(SimulationOut.of(simulation).model_dump_json())
        else:
            _print(subject.title, simulation, program)


def _print(title: str, simulation: Simulation, program: Program) -> None:
    gift, largest = simulation.gift, simulation.largest
    paid = written(simulation.paid_minor, program.currency)
    most = f"{largest.points:,} points: order {largest.order_id}, line {largest.line}" if largest else ""
    table = Table(show_header=False, box=None, pad_edge=False)
    for fact, figure in (
        ("sold", f"{simulation.orders:,} orders, {simulation.lines:,} lines, {paid}"),
        ("would have given", f"{gift.points:,} points, worth {written(gift.minor, program.currency)}"),
        ("to", f"{gift.lines:,} lines of {gift.orders:,} orders of {gift.members:,} members"),
        ("share of what was paid for them", f"{simulation.percent_of_covered} %"),
        ("share of all that was paid", f"{simulation.percent_of_all} %"),
        ("of it back with returns", f"{gift.came_back:,} points"),
        ("largest gift", most),
        ("most in a day", f"{simulation.most_in_a_day:,} points"),
        ("all rules and offers together", f"{simulation.net_points:+,} points"),
    ):
        table.add_row(fact, figure)
    for row in simulation.replaced:
        table.add_row(f"beside it {row.name}", f"{row.beside:,} points instead of {row.without:,}")
    for error in simulation.past_limits:
        table.add_row("needs a second administrator", f"{error.field}: {error.message}")
    for assumed in simulation.assumes:
        table.add_row("assumes", assumed)
    screen.print(f"{title}: {simulation.since} to {simulation.until}")
    screen.print(table)
    for group, shares in (("department", simulation.by_department), ("vendor", simulation.by_vendor)):
        screen.print(_shares(group, shares, program))
    screen.print(_shares("day", simulation.by_day, program, len(simulation.by_day)))


def _shares(group: str, shares: Sequence[Share], program: Program, most: int = MOST_ROWS) -> Table:
    table = Table(group, "points", "worth")
    for share in shares[:most]:
        table.add_row(share.name, f"{share.points:,}", written(share.minor, program.currency))
    if len(shares) > most:
        table.add_row("… all of them: --json", "", "")
    return table
