"""Views that orders, offers, corrections and discounts publish: `app.tables.PUBLISHED`."""

from app.migrations.versions import run_sql

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    run_sql(__file__)
