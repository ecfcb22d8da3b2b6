"""Alembic's entry point, which runs each migration in its own transaction, with a short lock timeout."""

from alembic import context
from sqlalchemy import create_engine, event
from sqlalchemy.pool import NullPool

engine = create_engine(context.config.attributes["url"], poolclass=NullPool)


@event.listens_for(engine, "connect")
def _bounded(connection, _record) -> None:  # type: ignore[no-untyped-def]  # the driver's own
    connection.execute(f"SET lock_timeout = '{context.config.attributes['lock_wait_ms']}ms'")
    connection.commit()


with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
