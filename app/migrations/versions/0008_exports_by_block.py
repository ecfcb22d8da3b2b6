"""Exports begin and end at block numbers instead of times, so a sealer whose clock is behind loses no block."""

from app.migrations.versions import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_sql(__file__)
