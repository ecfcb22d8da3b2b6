"""`rewards rules …`: an administrator adds, simulates, starts and ends earning rules."""

import typer

from app.campaigns import desks
from app.campaigns.cli import add_commands
from app.campaigns.files import Content, Forms, add_file_commands
from app.campaigns.rules import RULES
from app.campaigns.rules_schemas import RuleIn, RulePatch
from app.campaigns.simulate_cli import Bench, add_simulate
from app.earning.rules import Rule
from app.earning.service import rule
from app.program.models import Program
from app.terminal import checked

rules = typer.Typer(
    no_args_is_help=True, help="What earns how much: add, try, change, start, pause, end, approve, copy."
)


def _new(content: Content, _: Program) -> tuple[Rule, bool]:
    form = checked(RuleIn, **content)
    return form.kept(), form.draft


add_commands(rules, desks.RULES)
add_file_commands(rules, desks.RULES, Forms(_new, lambda content, _: checked(RulePatch, **content).changes()))
add_simulate(rules, Bench(RULES, rule, lambda content, program: _new(content, program)[0]))
