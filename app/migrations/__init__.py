"""The database's schema, as numbered SQL files run by alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url
from sqlalchemy.pool import NullPool


def _config(url: str = "") -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["url"] = make_url(url).set(drivername="postgresql+psycopg") if url else None
    return config


def upgrade(url: str) -> None:
    """Bring the database at `url` (postgresql://…) to the newest schema; nothing happens if it is there, or past it.

    Revisions are numbered: one past this code's is that of the code before a rollback, which this one works with.
    """
    if current(url) <= head():
        command.upgrade(_config(url), "head")


def head() -> str:
    """The revision that this code needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def current(url: str) -> str:
    """The revision that the database is at; '' where it has none."""
    engine = create_engine(_config(url).attributes["url"], poolclass=NullPool)
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""
