"""Corrections by hand, which book or take points; the lots they take from, and the account that pays what they book."""

from app.migrations.versions import run_sql

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_sql(__file__)
