"""An erasure marks the member first, and marked members add no more text."""

from app.migrations.versions import run_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_sql(__file__)
