"""The program's terms over time, so that a closed month's statement stays the same."""

from app.migrations.versions import run_sql

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    run_sql(__file__)
