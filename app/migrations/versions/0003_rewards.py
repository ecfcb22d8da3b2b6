"""The reward rules in full: stacking and caps, debts, payments, vouchers, claims."""

from app.migrations.versions import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_sql(__file__)
