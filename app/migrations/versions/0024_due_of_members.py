"""Create indexes that find one member's due lots and subscriptions without scanning those of others."""

from app.migrations.versions import run_concurrently

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run_concurrently(__file__)
