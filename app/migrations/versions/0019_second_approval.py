"""What a rule or an offer may give without a second administrator, and who approved which content."""

from app.migrations.versions import run_sql

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run_sql(__file__)
