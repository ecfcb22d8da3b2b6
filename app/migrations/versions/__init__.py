"""Migrations: one module and one SQL file for each; the first one's SQL is a folder.

Expand, then contract: after a migration the previous commit's code still works, since it serves until the last pod is
replaced, and again after a rollback. A later migration drops what only that code needs.
"""

from pathlib import Path

from alembic import op


def run_sql(module: str) -> None:
    """Run the SQL file of the module's name in one transaction."""
    run_file(Path(module).with_suffix(".sql"))


def run_file(script: Path) -> None:
    op.get_bind().exec_driver_sql(_escaped(script.read_text()))


def run_concurrently(module: str) -> None:
    """Run the SQL file's statements one by one in autocommit mode, which CREATE INDEX CONCURRENTLY requires.

    Such statements wait for earlier transactions without blocking others, so no timeout applies. An interrupted
    migration is run again from its first statement: the statements say IF EXISTS or IF NOT EXISTS.
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
