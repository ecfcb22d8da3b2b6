"""Add corrections by administrators: their table, their lots and redemptions, and the account `corrections`."""

from app.migrations.versions import run_sql

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_sql(__file__)
