"""Exports that follow each other are cut by block number: a sealer whose clock is behind loses no block."""

from app.migrations.versions import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_sql(__file__)
