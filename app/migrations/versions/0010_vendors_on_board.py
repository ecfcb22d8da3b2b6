"""Who applies takes no tax id from the company that has it: only vendors on board have theirs alone."""

from app.migrations.versions import run_concurrently

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_concurrently(__file__)
