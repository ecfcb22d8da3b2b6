"""Store the hash of each feed's file, so that a file that is sent again is recognised."""

from app.migrations.versions import run_concurrently

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    run_concurrently(__file__)
