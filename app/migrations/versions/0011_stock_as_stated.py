"""Stock remembers the number that its vendor last stated, so that stating it again sells nothing twice."""

from app.migrations.versions import run_concurrently

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_concurrently(__file__)
