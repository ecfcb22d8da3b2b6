"""Create the views by which a package lets others read its tables (`app.tables.PUBLISHED`)."""

from app.migrations.versions import run_sql

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    run_sql(__file__)
