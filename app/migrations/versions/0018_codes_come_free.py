"""A voucher's code may be used again after its voucher has ended."""

from app.migrations.versions import run_concurrently

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    run_concurrently(__file__)
