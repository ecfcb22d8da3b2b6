"""Rules and offers are drafts, started, paused or ended; who made and who changed them last."""

from app.migrations.versions import run_sql

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run_sql(__file__)
