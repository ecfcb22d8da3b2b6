"""Create the indexes of the product search: words, and brands and categories in folded spelling."""

from app.migrations.versions import run_concurrently

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    run_concurrently(__file__)
