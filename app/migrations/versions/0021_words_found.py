"""Indexes by which folded words, brands and categories are found."""

from app.migrations.versions import run_concurrently

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    run_concurrently(__file__)
