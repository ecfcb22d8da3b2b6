"""Rules and offers get a stage (draft, started, paused, ended), an author, the last editor and a count of edits."""

from app.migrations.versions import run_sql

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run_sql(__file__)
