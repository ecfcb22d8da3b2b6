"""Change the program's version with a vendor's discount terms and price floors, as processes cache by the version."""

from app.migrations.versions import run_sql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_sql(__file__)
