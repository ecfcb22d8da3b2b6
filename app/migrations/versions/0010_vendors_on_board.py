"""Who applies takes no tax id from the company that has it: only vendors on board have theirs alone."""

from app.migrations.versions import run_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_sql(__file__)
