"""A tax id is unique among accepted vendors only, so that an application does not reserve it."""

from app.migrations.versions import run_concurrently

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_concurrently(__file__)
