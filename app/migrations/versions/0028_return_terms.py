"""Terms of returns per program, category and product, frozen on order lines."""

from app.migrations.versions import run_sql

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    run_sql(__file__)
