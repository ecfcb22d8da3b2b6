"""An erasure first marks the member as erased; triggers then refuse new rows about marked members."""

from app.migrations.versions import run_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_sql(__file__)
