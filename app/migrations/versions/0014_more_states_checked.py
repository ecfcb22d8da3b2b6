"""What the step before declared, checked and kept by indexes, while everybody goes on."""

from app.migrations.versions import run_concurrently

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_concurrently(__file__)
