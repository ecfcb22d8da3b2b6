"""`rewards rules …`: an administrator adds, simulates, starts and ends earning rules."""

import typer

from app.campaigns.cli import add_commands
from app.campaigns.desks import RULES
from app.campaigns.files import add_file_commands
from app.campaigns.simulate_cli import add_simulate

rules = typer.Typer(
    no_args_is_help=True, help="Earning rules: add, simulate, change, start, pause, end, approve, copy."
)
add_commands(rules, RULES)
add_file_commands(rules, RULES)
add_simulate(rules, RULES)
