"""Add returned units to hourly sales, and order ids to stream baskets, so that returns can be subtracted."""

from app.migrations.versions import run_sql

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    run_sql(__file__)
