"""Who asked to be forgotten is marked first, and from then on leaves no more words."""

from app.migrations.versions import run_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_sql(__file__)
