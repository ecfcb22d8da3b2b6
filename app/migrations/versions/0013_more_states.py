"""Adds states of subscriptions (waiting, ended) and charges (paid back), and repayments of undone redemptions."""

from app.migrations.versions import run_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_sql(__file__)
