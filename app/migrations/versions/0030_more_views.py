"""Create the views by which orders, offers, corrections and discounts let others read them (`app.tables.PUBLISHED`)."""

from app.migrations.versions import run_sql

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    run_sql(__file__)
