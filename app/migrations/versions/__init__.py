"""One module and one SQL file beside it for each step; the first one's SQL is a folder."""

from pathlib import Path

from alembic import op


def run_sql(module: str) -> None:
    """Run the SQL file that has the module's name."""
    run_file(Path(module).with_suffix(".sql"))


def run_file(script: Path) -> None:
    op.get_bind().exec_driver_sql(script.read_text().replace("%", "%%"))
