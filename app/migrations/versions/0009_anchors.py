"""When a digest was last anchored, for whoever asks how old the newest one is."""

from app.migrations.versions import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_sql(__file__)
