"""What is due in one member's wallet is found without looking at what is due in the others'."""

from app.migrations.versions import run_concurrently

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run_concurrently(__file__)
