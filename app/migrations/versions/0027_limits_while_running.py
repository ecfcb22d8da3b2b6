"""Add limits of points per order, per day and in total, and whether they apply to a running rule or offer."""

from app.migrations.versions import run_sql

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    run_sql(__file__)
