"""Store the stock number that a vendor stated last, so that stating it again does not restock units that were sold."""

from app.migrations.versions import run_concurrently

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run_concurrently(__file__)
