"""What a deployment needs of the ledger: exports that follow each other, a sealer that publishes, a flat look-up."""

from app.migrations.versions import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_sql(__file__)
