"""One module and one SQL file beside it for each step; the first one's SQL is a folder.

Expand, then contract: a step leaves the code of the commit before it working, since that serves until the last pod has
rolled, and serves again after a rollback. What only the code before needs goes in a later step.
"""

from pathlib import Path

from alembic import op


def run_sql(module: str) -> None:
    """Run the SQL file that has the module's name, in one transaction."""
    run_file(Path(module).with_suffix(".sql"))


def run_file(script: Path) -> None:
    op.get_bind().exec_driver_sql(_escaped(script.read_text()))


def run_concurrently(module: str) -> None:
    """Run the statements of the SQL file one by one, each in a transaction of its own: CREATE INDEX CONCURRENTLY, ….

    Such a statement waits for the transactions before it and keeps nobody else waiting, so it may wait long. A step
    that was cut short is run again whole: its statements say IF EXISTS or IF NOT EXISTS.
    """
    script = Path(module).with_suffix(".sql").read_text()
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        connection.exec_driver_sql("SET lock_timeout = 0")
        for statement in script.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(_escaped(statement))
        connection.exec_driver_sql("RESET lock_timeout")


def _escaped(sql: str) -> str:
    return sql.replace("%", "%%")
