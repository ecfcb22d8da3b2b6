"""The journal, the catalogue, vendors, members, orders, rewards, offers and insights."""

from app.migrations.versions import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_sql(__file__)
