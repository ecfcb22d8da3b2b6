"""Discounts of the hour follow the vendor's percent and floors, so these move the program's version too."""

from app.migrations.versions import run_sql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_sql(__file__)
