"""`rewards rules …`: an administrator looks at earning rules and moves them through their life."""

import typer

from app.rewards.life_cli import Desk, add_commands
from app.rewards.rules import RULES, rule
from app.rewards.rules import rules as every_rule
from app.rewards.schemas import RuleOut

rules = typer.Typer(no_args_is_help=True, help="What earns how much: start, pause, end, approve, copy.")
add_commands(rules, Desk(RULES, every_rule, rule, RuleOut.of))
