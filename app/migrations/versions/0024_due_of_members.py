"""An index finds what is due in one member's wallet without scanning others'."""

from app.migrations.versions import run_concurrently

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run_concurrently(__file__)
