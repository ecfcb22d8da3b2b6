"""The warehouse in PostgreSQL, for one machine and tests."""

import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg

from app.errors import RewardsError, Unavailable, WarehouseRefused
from app.faults import passing
from app.insights.warehouse.runner import NULL, Copy, Row, Sql, Step
from app.pools import JOBS, KEEPALIVES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PLACEMENT = re.compile(r"\)\s*(?:DISTSTYLE|DISTKEY|SORTKEY)[^;]*$")
# What is joined is large, and the planner knows nothing of what a query has made itself.
_OPTIONS = f"-c enable_nestloop=off -c enable_mergejoin=off -c work_mem=128MB {JOBS.options()}"
_BYTES_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class PostgresWarehouse:
    url: str
    s3: "S3Client"

    def run(self, steps: Sequence[Step]) -> None:
        try:
            with self._connected() as connection:
                for step in steps:
                    match step:
                        case Sql(text):
                            connection.execute(_understood(text))
                        case Copy():
                            self._copy(connection, step)
        except psycopg.Error as refused:
            raise _refusal(refused) from refused

    def rows(self, query: Sql) -> list[Row]:
        try:
            with self._connected() as connection:
                return list(connection.execute(_understood(query.text)).fetchall())
        except psycopg.Error as refused:
            raise _refusal(refused) from refused

    def _connected(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, options=_OPTIONS, connect_timeout=JOBS.connect_s, **KEEPALIVES)

    def _copy(self, connection: psycopg.Connection[Any], step: Copy) -> None:
        statement = f"COPY {step.table} FROM STDIN (FORMAT csv, NULL '{NULL}')"
        with connection.cursor().copy(_understood(statement)) as copy:
            for key in step.staged.keys:
                body = self.s3.get_object(Bucket=step.staged.bucket, Key=key)["Body"]
                with gzip.open(body) as plain:
                    while part := plain.read(_BYTES_AT_ONCE):
                        copy.write(part)


def _understood(text: str) -> LiteralString:
    """Remove Redshift's table placement. The text is ours, from files."""
    return _PLACEMENT.sub(")", text)


def _refusal(refused: psycopg.Error) -> RewardsError:
    kind = Unavailable if passing(refused) else WarehouseRefused
    return kind(f"the warehouse refused: {' '.join(str(refused).split())}")
