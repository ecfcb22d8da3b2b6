"""Add how many times the usual orders a promotion is expected to bring, and a view of such promotions."""

from app.migrations.versions import run_sql

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    run_sql(__file__)
