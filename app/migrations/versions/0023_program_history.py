"""Add a history of the program's terms, so that a closed month's statement stays the same when they change."""

from app.migrations.versions import run_sql

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    run_sql(__file__)
