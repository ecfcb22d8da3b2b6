"""`rewards rules …`: an administrator tries earning rules on what was sold, starts and ends them."""

import typer

from app.rewards.cli import checked
from app.rewards.life_cli import Desk, add_commands
from app.rewards.rules import RULES, rule
from app.rewards.rules import rules as every_rule
from app.rewards.schemas import RuleIn, RuleOut
from app.simulation.cli import Bench, add_simulate

rules = typer.Typer(no_args_is_help=True, help="What earns how much: try, start, pause, end, approve, copy.")
add_commands(rules, Desk(RULES, every_rule, rule, RuleOut.of))
add_simulate(rules, Bench(RULES, rule, lambda content, _: checked(RuleIn, **content).kept()))
