"""A line that costs nothing earns nothing, unless its rule says so."""

from app.migrations.versions import run_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_sql(__file__)
