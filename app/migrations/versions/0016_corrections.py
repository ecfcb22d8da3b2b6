"""Corrections by hand: points that an administrator books or takes, and the lots and account that they come from."""

from app.migrations.versions import run_sql

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_sql(__file__)
