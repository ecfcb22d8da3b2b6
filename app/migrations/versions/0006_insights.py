"""Insight from the stream: windows with versions, what was seen in little room, affinity, discounts by the hour."""

from app.migrations.versions import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_sql(__file__)
