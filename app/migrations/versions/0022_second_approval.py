"""Limits on rules and offers without a second administrator, and who approved which content."""

from app.migrations.versions import run_sql

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    run_sql(__file__)
