"""A warehouse in PostgreSQL, for one machine and tests."""

import gzip
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg

from app.errors import Unavailable, WarehouseRefused
from app.faults import passing
from app.insights.warehouse.runner import NULL, Copy, Row, Sql, Step
from app.pools import JOBS, KEEPALIVES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PLACEMENT = re.compile(r"\)\s*(?:DISTSTYLE|DISTKEY|SORTKEY)[^;]*$")
# Joins are large, and the planner has no statistics of a query's own intermediate tables.
_OPTIONS = f"-c enable_nestloop=off -c enable_mergejoin=off -c work_mem=128MB {JOBS.options()}"
_BYTES_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class PostgresWarehouse:
    url: str
    s3: "S3Client"

    def run(self, steps: Sequence[Step]) -> None:
        with self._connection() as connection:
            for step in steps:
                match step:
                    case Sql(text):
                        connection.execute(_without_placement(text))
                    case Copy():
                        self._copy(connection, step)

    def rows(self, query: Sql) -> list[Row]:
        with self._connection() as connection:
            return list(connection.execute(_without_placement(query.text)).fetchall())

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Any]]:
        """Yield a connection that commits at the end. Raises Unavailable for a passing fault, else WarehouseRefused."""
        wait_s = JOBS.connect_s
        try:
            with psycopg.connect(self.url, options=_OPTIONS, connect_timeout=wait_s, **KEEPALIVES) as connection:
                yield connection
        except psycopg.Error as error:
            kind = Unavailable if passing(error) else WarehouseRefused
            raise kind(f"the warehouse refused: {' '.join(str(error).split())}") from error

    def _copy(self, connection: psycopg.Connection[Any], step: Copy) -> None:
        statement = f"COPY {step.table} FROM STDIN (FORMAT csv, NULL '{NULL}')"
        with connection.cursor().copy(_without_placement(statement)) as copy:
            for key in step.staged.keys:
                body = self.s3.get_object(Bucket=step.staged.bucket, Key=key)["Body"]
                with gzip.open(body) as plain:
                    shutil.copyfileobj(plain, copy, _BYTES_AT_ONCE)


def _without_placement(text: str) -> LiteralString:
    """Remove Redshift's DISTKEY, DISTSTYLE and SORTKEY clauses from the SQL of our files."""
    return _PLACEMENT.sub(")", text)
