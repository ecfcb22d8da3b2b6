"""Stock remembers the number that its vendor last stated, so that stating it again sells nothing twice."""

from app.migrations.versions import run_concurrently

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run_concurrently(__file__)
