"""Feeds keep the hash of their file, so that one that comes again is known."""

from app.migrations.versions import run_concurrently

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    run_concurrently(__file__)
