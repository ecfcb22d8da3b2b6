"""Top sellers subtract what came back, and what is learned from an order's basket leaves it out."""

from app.migrations.versions import run_sql

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    run_sql(__file__)
