"""The database's pools and sessions, with which all SQL runs.

A ReadSession uses connections that are read-only on the server, so that no GET can write. A WriteSession is one
transaction, which commits when its `with` block ends and rolls back on any exception.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, LiteralString, Self, TypeVar, get_type_hints

import orjson
from psycopg import Connection, Cursor, IntegrityError
from psycopg.errors import ReadOnlySqlTransaction
from psycopg.rows import dict_row

from app.constraints import refusal
from app.errors import BadInput
from app.iam_login import address
from app.pools import JOBS, Pool, Waits
from app.settings import Settings

Row = TypeVar("Row")
Parameters = Mapping[str, Any] | Sequence[Any] | None


def row_of(row: type[Row]) -> Callable[[Cursor[Any]], Callable[[Sequence[Any]], Row]]:
    """Return a psycopg row factory that makes instances of a dataclass; see `maker` for the values' types."""
    return lambda cursor: maker(row, [column.name for column in cursor.description or ()])


def maker(row: type[Row], names: Sequence[str]) -> Callable[[Sequence[Any]], Row]:
    """Return a function that makes a dataclass from the values of the named columns.

    If a field's type is an enum or a subclass of dict, the value is converted by the type's `of_column`, if any, or by
    the type itself.
    """
    types = _types(row)  # type: ignore[arg-type]  # every class is hashable
    conversions = [(place, types[name]) for place, name in enumerate(names) if name in types]
    in_order = [*names] == list(row.__dataclass_fields__)[: len(names)]  # type: ignore[attr-defined]

    def make(values: Sequence[Any]) -> Row:
        if conversions:
            values = list(values)
            for place, its_type in conversions:
                values[place] = its_type(values[place])
        return row(*values) if in_order else row(**dict(zip(names, values, strict=True)))

    return make


@cache
def _types(row: Hashable) -> dict[str, Callable[[Any], object]]:
    hints = get_type_hints(row).items()
    return {
        name: getattr(hint, "of_column", hint)
        for name, hint in hints
        if isinstance(hint, type)
        and (hasattr(hint, "of_column") or (issubclass(hint, (Enum, dict)) and hint is not dict))
    }


def as_json(rows: object) -> str:
    """Return rows as one JSON parameter for `json_populate_recordset`, which is much faster than arrays."""
    return orjson.dumps(rows).decode()


Kept = dict[str, tuple[object, Any]]
"""A process's cache of data from the database: each value's version and the value, by name."""


class Session:
    """Runs SQL on one connection, and returns rows as tuples, dicts or dataclasses."""

    def __init__(self, connection: Connection[Any], kept: Kept | None = None) -> None:
        self.connection = connection
        self._kept: Kept = {} if kept is None else kept

    def remembered(self, name: str, version: object, read: Callable[[], Row]) -> Row:
        """Return the cached value of `name` if it has this version, else what `read` returns, which is then cached."""
        entry = self._kept.get(name)
        if entry is None or entry[0] != version:
            self._kept[name] = entry = (version, read())
        value: Row = entry[1]
        return value

    def all(self, row: type[Row], sql: LiteralString, parameters: Parameters = None) -> list[Row]:
        with self.connection.cursor(row_factory=row_of(row)) as cursor:
            return cursor.execute(sql, parameters).fetchall()

    def one(self, row: type[Row], sql: LiteralString, parameters: Parameters = None) -> Row | None:
        with self.connection.cursor(row_factory=row_of(row)) as cursor:
            return cursor.execute(sql, parameters).fetchone()

    def rows(self, sql: LiteralString, parameters: Parameters = None) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, parameters).fetchall()

    def dicts(self, sql: LiteralString, parameters: Parameters = None) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(sql, parameters).fetchall()

    def ask(self, sql: LiteralString, parameters: Parameters = None) -> Callable[[], list[tuple[Any, ...]]]:
        """Send a query, and return a function that waits for its rows; more queries can be sent before calling it."""
        return self.connection.execute(sql, parameters).fetchall

    def ask_all(self, row: type[Row], sql: LiteralString, parameters: Parameters = None) -> Callable[[], list[Row]]:
        """Send a query, and return a function that waits for its rows and returns them as dataclasses."""
        return self.connection.cursor(row_factory=row_of(row)).execute(sql, parameters).fetchall

    def stream(self, sql: LiteralString, parameters: Parameters, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """Yield lists of `size` rows from a server-side cursor; a transaction can have only one such cursor open.

        psycopg's own named cursors don't work in a pipeline.
        """
        self.connection.execute(f"DECLARE streamed NO SCROLL CURSOR FOR {sql}", parameters)
        try:
            while rows := self.connection.execute(f"FETCH {size} FROM streamed", (), binary=True).fetchall():
                yield rows
        except GeneratorExit:  # the caller needs no more rows
            self.connection.execute("CLOSE streamed")
            raise
        self.connection.execute("CLOSE streamed")

    def value(self, sql: LiteralString, parameters: Parameters = None) -> Any:
        """Return the first column of the first row, or None if there is no row."""
        row = self.connection.execute(sql, parameters).fetchone()
        return row[0] if row else None

    def refuse_read_only(self) -> None:
        """Raise ReadOnlySqlTransaction on a read-only server: its locks exclude no process on the writing server."""
        if self.value("SHOW transaction_read_only") == "on":
            raise ReadOnlySqlTransaction("this server takes no writes: nobody can lead by a lock of its own")


class ReadSession(Session):
    """A session whose connection is read-only on the server."""


class WriteSession(Session):
    """A transaction that may write; it counts the documents that it adds to the ledger."""

    def __init__(self, connection: Connection[Any], kept: Kept | None = None) -> None:
        super().__init__(connection, kept)
        self._journaled_documents = self._journaled_bytes = 0

    def journaled(self, size: int, most_documents: int, most_bytes: int) -> None:
        """Count a ledger document of `size` bytes. Raises BadInput if the transaction then exceeds a limit."""
        self._journaled_documents += 1
        self._journaled_bytes += size
        if self._journaled_documents > most_documents or self._journaled_bytes > most_bytes:
            raise BadInput(f"one transaction may journal {most_documents} documents and {most_bytes} bytes, no more")

    def lock_if_free(self, key: int) -> bool:
        """Try to take an advisory lock until the transaction ends; return false if another process has it.

        The transaction is not ended for being idle, because a process that holds the lock works with S3 or the
        warehouse meanwhile. If the process dies, the server notices it by keepalives. Raises ReadOnlySqlTransaction as
        `refuse_read_only` does.
        """
        self.refuse_read_only()
        if not self.value("SELECT pg_try_advisory_xact_lock(%s)", (key,)):
            return False
        self.run("SET LOCAL idle_in_transaction_session_timeout = 0")
        return True

    def run(self, sql: LiteralString, parameters: Parameters = None) -> None:
        """Send a statement without waiting: its error is raised by a later statement's wait, or by the commit."""
        self.connection.execute(sql, parameters)

    def count(self, sql: LiteralString, parameters: Parameters = None) -> int:
        """Run a statement, and return the number of rows that it changed."""
        with self.connection.pipeline():  # leaving a pipeline, an inner one too, waits for all answers
            cursor = self.connection.execute(sql, parameters)
        return cursor.rowcount


# Nearly all queries look up keys: their plan doesn't depend on values, and planning would cost more than running them.
_GENERIC_PLANS = "-c plan_cache_mode=force_generic_plan"


@dataclass(frozen=True)
class Database:
    """The pools of connections to the writer and to the reader, which are the same server on a laptop."""

    writer: Pool
    reader: Pool
    kept: Kept = field(default_factory=dict)

    @classmethod
    def open(cls, settings: Settings, waits: Waits | None = None) -> Self:
        """Create the pools without waiting for the database. The default timeouts are those of API requests."""
        limits = waits or of_requests(settings)
        options = f"{_GENERIC_PLANS} {limits.options()}"

        def pool(url: str, **more: Any) -> Pool:
            return Pool(lambda: address(url, iam=settings.database_iam), settings.pool_size, limits, **more)

        return cls(
            # For a while after a failover the name may lead to the old writer, whose connections are refused here.
            writer=pool(settings.database_url, target_session_attrs="read-write", autocommit=True, options=options),
            reader=pool(
                settings.database_read_url or settings.database_url,
                autocommit=True,
                options=f"-c default_transaction_read_only=on {options}",
            ),
        )

    def close(self) -> None:
        self.writer.close()
        self.reader.close()

    @contextmanager
    def read(self) -> Iterator[ReadSession]:
        """Yield a session whose statements each see the newest committed state."""
        with self.reader.connection() as connection:
            yield ReadSession(connection, self.kept)

    @contextmanager
    def snapshot(self) -> Iterator[ReadSession]:
        """Yield a session whose statements all see the same snapshot."""
        with self.reader.connection() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield ReadSession(connection, self.kept)

    @contextmanager
    def write(self) -> Iterator[WriteSession]:
        """Yield a transaction in a pipeline: only statements whose rows are read wait for the server.

        Raises the error of `app.constraints` for a violated constraint.
        """
        try:
            with self.writer.connection() as connection, connection.pipeline():
                connection.execute("BEGIN")  # not transaction(), which waits for the answer
                yield WriteSession(connection, self.kept)
                connection.execute("COMMIT")  # goes out with the last statements, as commit() would not
        except IntegrityError as refused:
            raise refusal(refused) from refused


def of_requests(settings: Settings) -> Waits:
    """Return the database timeouts of API requests; their sum is shorter than the load balancer's timeout."""
    return Waits(
        connect_s=settings.database_connect_timeout_s,
        pool_s=settings.database_pool_timeout_s,
        statement_s=settings.database_statement_timeout_s,
        lock_s=settings.database_lock_timeout_s,
        idle_s=settings.database_idle_timeout_s,
    )


__all__ = ["JOBS", "Database", "ReadSession", "Session", "WriteSession", "as_json"]
