"""Connections, and the two kinds of session.

A ReadSession can only read: its connections are read-only on the server too, so a GET cannot write whatever its code
says. A WriteSession is one transaction: it commits when its block ends, and rolls back on any exception.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, LiteralString, Self, TypeVar, get_type_hints

import orjson
from psycopg import Connection, Cursor, IntegrityError
from psycopg.rows import dict_row

from app.constraints import refusal
from app.errors import BadInput
from app.iam_login import address
from app.pools import JOBS, Pool, Waits
from app.settings import Settings
from app.together import together

Row = TypeVar("Row")
Parameters = Mapping[str, Any] | Sequence[Any] | None


def row_of(row: type[Row]) -> Callable[[Cursor[Any]], Callable[[Sequence[Any]], Row]]:
    """Like psycopg's class_row, with values as `maker` makes them."""
    return lambda cursor: maker(row, [column.name for column in cursor.description or ()])


def maker(row: type[Row], names: Sequence[str]) -> Callable[[Sequence[Any]], Row]:
    """What makes a row of the values of the named columns.

    Fields that are enums, or dictionaries of a type of their own, are made so: a state is never a bare string. A type
    may have its own way to be made of a column, `of_column`.
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
        if isinstance(hint, type) and issubclass(hint, (Enum, dict)) and hint is not dict
    }


def as_json(rows: object) -> str:
    """Rows for `json_populate_recordset`: one parameter whatever their number, written much faster than arrays."""
    return orjson.dumps(rows).decode()


Kept = dict[str, tuple[object, Any]]
"""What a process remembers of the database, each with the version it was read at."""


class Session:
    """Runs SQL and gives rows as the type asked for."""

    def __init__(self, connection: Connection[Any], kept: Kept | None = None) -> None:
        self.connection = connection
        self._kept: Kept = {} if kept is None else kept

    def remembered(self, name: str, version: object, read: Callable[[], Row]) -> Row:
        """What `read` gave at this version, by whichever session of the process."""
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
        """Send a query; the call that it returns waits for the rows. What is sent meanwhile costs no further wait."""
        return self.connection.execute(sql, parameters).fetchall

    def ask_all(self, row: type[Row], sql: LiteralString, parameters: Parameters = None) -> Callable[[], list[Row]]:
        """`all`, in the way of `ask`."""
        return self.connection.cursor(row_factory=row_of(row)).execute(sql, parameters).fetchall

    def stream(self, sql: LiteralString, parameters: Parameters, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """Rows in parts of so many, read one part at a time. One stream at a time, within a transaction.

        A named cursor of psycopg's would do, but not in a pipeline.
        """
        self.connection.execute(f"DECLARE streamed NO SCROLL CURSOR FOR {sql}", parameters)
        try:
            while rows := self.connection.execute(f"FETCH {size} FROM streamed", (), binary=True).fetchall():
                yield rows
        except GeneratorExit:  # whoever reads them has enough
            self.connection.execute("CLOSE streamed")
            raise
        self.connection.execute("CLOSE streamed")

    def value(self, sql: LiteralString, parameters: Parameters = None) -> Any:
        """The first column of the first row; None where there is no row."""
        row = self.connection.execute(sql, parameters).fetchone()
        return row[0] if row else None


class ReadSession(Session):
    pass


class WriteSession(Session):
    """Also keeps count of what the transaction journals."""

    def __init__(self, connection: Connection[Any], kept: Kept | None = None) -> None:
        super().__init__(connection, kept)
        self._journaled_documents = self._journaled_bytes = 0

    def journaled(self, size: int, most_documents: int, most_bytes: int) -> None:
        """Count one more document. Raises BadInput where the transaction then holds too many or too much."""
        self._journaled_documents += 1
        self._journaled_bytes += size
        if self._journaled_documents > most_documents or self._journaled_bytes > most_bytes:
            raise BadInput(f"one transaction may journal {most_documents} documents and {most_bytes} bytes, no more")

    def run(self, sql: LiteralString, parameters: Parameters = None) -> None:
        """Its answer is not waited for: an error surfaces with the next one that is, or at the commit."""
        self.connection.execute(sql, parameters)

    def count(self, sql: LiteralString, parameters: Parameters = None) -> int:
        """How many rows it changed."""
        with self.connection.pipeline():  # leaving a pipeline, an inner one too, waits for all answers
            cursor = self.connection.execute(sql, parameters)
        return cursor.rowcount


# Nearly everything goes by key: the plan does not depend on the values, and making it anew costs more than running it.
_GENERIC_PLANS = "-c plan_cache_mode=force_generic_plan"


@dataclass(frozen=True)
class Database:
    """Two pools: the writer's, and the reader's (another server in AWS, the same one on a laptop)."""

    writer: Pool
    reader: Pool
    kept: Kept = field(default_factory=dict)

    @classmethod
    def open(cls, settings: Settings, waits: Waits | None = None) -> Self:
        """Waits as requests do, by the settings, unless told otherwise (`JOBS`). Does not wait for the database."""
        limits = waits or of_requests(settings)
        options = f"{_GENERIC_PLANS} {limits.options()}"

        def pool(url: str, **more: Any) -> Pool:
            return Pool(lambda: address(url, iam=settings.database_iam), settings.pool_size, limits, **more)

        return cls(
            # After a failover a name may lead to the old writer for a while: a connection that can't write is none.
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
        """Each statement sees the newest committed state."""
        with self.reader.connection() as connection:
            yield ReadSession(connection, self.kept)

    @contextmanager
    def snapshot(self) -> Iterator[ReadSession]:
        """All statements see one moment."""
        with self.reader.connection() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            yield ReadSession(connection, self.kept)

    @contextmanager
    def write(self) -> Iterator[WriteSession]:
        """One transaction, whose statements go out together with the next one whose answer is waited for.

        Raises what `app.constraints` makes of a constraint that refuses.
        """
        try:
            with self.writer.connection() as connection, together(connection):
                yield WriteSession(connection, self.kept)
                connection.execute("COMMIT")  # goes out with the last statements, where commit() would wait for them
        except IntegrityError as refused:
            raise refusal(refused) from refused


def of_requests(settings: Settings) -> Waits:
    """Together less than the load balancer and its client wait."""
    return Waits(
        connect_s=settings.database_connect_timeout_s,
        pool_s=settings.database_pool_timeout_s,
        statement_s=settings.database_statement_timeout_s,
        lock_s=settings.database_lock_timeout_s,
        idle_s=settings.database_idle_timeout_s,
    )


__all__ = ["JOBS", "Database", "ReadSession", "Session", "WriteSession", "as_json"]
