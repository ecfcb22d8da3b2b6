"""The ledger: database roles, epochs, erasure, and blocks that hold the tree's hashes."""

from app.migrations.versions import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_sql(__file__)
