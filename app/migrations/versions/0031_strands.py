"""Create the table of the journal's strands, the first of which is `journal`."""

from app.migrations.versions import run_sql

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    run_sql(__file__)
