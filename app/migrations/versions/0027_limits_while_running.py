"""The most points of a rule or offer in an order, in a day and in all, and which keep to that while they run."""

from app.migrations.versions import run_sql

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    run_sql(__file__)
