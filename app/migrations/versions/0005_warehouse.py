"""What the warehouse answers, where the API reads it."""

from app.migrations.versions import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_sql(__file__)
