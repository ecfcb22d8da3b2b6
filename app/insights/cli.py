"""The `rewards insights` command group: sales, recommendations, discounts and warehouse queries, for analysts."""

import typer

from app.discounts.cli import commands as discounts
from app.insights.discount_proposals.cli import commands as proposals
from app.insights.recommendations.cli import commands as recommendations
from app.insights.stream.cli import analysts as stream
from app.insights.warehouse.cli import commands as warehouse

commands = typer.Typer(no_args_is_help=True, help="What sells, when, where and to whom.")
for part in (stream, recommendations, discounts, proposals, warehouse):
    commands.registered_commands += part.registered_commands
