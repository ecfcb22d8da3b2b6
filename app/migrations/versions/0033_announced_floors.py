"""Create the table of the floors of pods that were planned last."""

from app.migrations.versions import run_sql

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    run_sql(__file__)
