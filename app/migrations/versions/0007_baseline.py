"""The whole schema, in order of references, in place of revisions 0001 to 0006."""

from pathlib import Path

from app.migrations.versions import run_file

revision = "0007"
down_revision = None

PARTS = (
    *("ledger", "program", "vendors", "catalogue", "members", "orders", "offers", "rewards"),
    *("stream", "recommendations", "published", "discounts", "requests"),
)


def upgrade() -> None:
    for part in PARTS:
        run_file(Path(__file__).with_suffix("") / f"{part}.sql")
