"""Add return terms to the program, categories and products, and to order lines, which keep those of the purchase."""

from app.migrations.versions import run_sql

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    run_sql(__file__)
