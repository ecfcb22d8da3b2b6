"""One module and one SQL file beside it for each step."""

from pathlib import Path

from alembic import op


def run_sql(module: str) -> None:
    """Run the SQL file that has the module's name."""
    script = Path(module).with_suffix(".sql").read_text()
    op.get_bind().exec_driver_sql(script.replace("%", "%%"))
