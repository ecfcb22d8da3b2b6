"""The interface of a warehouse: steps in one transaction, and a query's rows.

SQL is written in the dialect that Redshift and PostgreSQL share. Redshift's batches take no parameters, so values are
put into the text: numbers, and words of a few harmless characters. Everything else comes by COPY.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

_HERE = Path(__file__).parent
_HARMLESS = re.compile(r"[A-Za-z0-9 .:+/=_-]*")
Row = Sequence[Any]
NULL = "<NULL>"
"""NULL in staged CSV: without a backslash, which the two databases read differently."""


@dataclass(frozen=True)
class Sql:
    text: str


@dataclass(frozen=True)
class Staged:
    """Rows of one table as gzipped CSV in a bucket. `manifest` is the key of the list of files."""

    bucket: str
    manifest: str
    keys: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class Copy:
    """Copy staged rows into all columns of a table."""

    table: str
    staged: Staged


Step = Sql | Copy


class Warehouse(Protocol):
    def run(self, steps: Sequence[Step]) -> None:
        """Run all steps in one transaction, or none.

        Raises Unavailable for a passing fault, WarehouseRefused for a permanent one.
        """
        ...

    def rows(self, query: Sql) -> list[Row]:
        """Return a query's rows. Raises as `run` does."""
        ...


def script(name: str, **values: int | str) -> list[Sql]:
    """Read the statements of a file in this folder, with each `:name` replaced by its value."""
    text = _text(name)
    for key, value in values.items():
        text = re.sub(rf":{key}\b", _literal(value).replace("\\", r"\\"), text)
    return [Sql(statement) for part in text.split(";") if (statement := part.strip())]


def query(name: str, **values: int | str) -> Sql:
    """Read the only statement of `queries/<name>.sql`."""
    (only,) = script(f"queries/{name}.sql", **values)
    return only


@cache
def _text(name: str) -> str:
    return re.sub(r"--.*", "", (_HERE / name).read_text())


def _literal(value: int | str) -> str:
    if isinstance(value, int):
        return str(value)
    if not _HARMLESS.fullmatch(value):
        raise ValueError(f"{value!r} may not stand in a statement's text")
    return f"'{value}'"
