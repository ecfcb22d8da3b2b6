"""Validate the constraints of 0013 and index them, without blocking writes."""

from app.migrations.versions import run_concurrently

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_concurrently(__file__)
