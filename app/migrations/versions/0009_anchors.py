"""Store when a digest was last anchored, for checks of its age."""

from app.migrations.versions import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_sql(__file__)
