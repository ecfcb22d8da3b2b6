"""Subscriptions that wait or have ended, charges that are paid back, and what undone redemptions owe to vendors."""

from app.migrations.versions import run_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_sql(__file__)
