"""`rewards rules …`: an administrator adds earning rules, tries them on what was sold, starts and ends them."""

import typer

from app.rewards.cli import checked
from app.rewards.earners import Rule
from app.rewards.life_cli import Desk, add_commands
from app.rewards.life_files import Content, Forms, add_file_commands
from app.rewards.models import Program
from app.rewards.rules import RULES, rule
from app.rewards.rules import rules as every_rule
from app.rewards.schemas import RuleIn, RuleOut, RulePatch
from app.simulation.cli import Bench, add_simulate

rules = typer.Typer(
    no_args_is_help=True, help="What earns how much: add, try, change, start, pause, end, approve, copy."
)
DESK = Desk(RULES, every_rule, rule, RuleOut.of)


def _new(content: Content, _: Program) -> tuple[Rule, bool]:
    form = checked(RuleIn, **content)
    return form.kept(), form.draft


add_commands(rules, DESK)
add_file_commands(rules, DESK, Forms(_new, lambda content, _: checked(RulePatch, **content).changes()))
add_simulate(rules, Bench(RULES, rule, lambda content, program: _new(content, program)[0]))
