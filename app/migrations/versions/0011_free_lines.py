"""Rules get a column: whether an order line that costs nothing earns points; by default it earns none."""

from app.migrations.versions import run_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_sql(__file__)
