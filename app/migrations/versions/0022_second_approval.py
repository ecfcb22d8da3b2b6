"""Add the program's limits for rules and offers, and a table of second administrators' approvals."""

from app.migrations.versions import run_sql

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    run_sql(__file__)
