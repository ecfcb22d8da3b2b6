"""The interface of a warehouse, and its SQL, read from files in the dialect that Redshift and PostgreSQL share.

Redshift's batches take no parameters, so a few values are written into the SQL text: numbers, and words without special
characters. All other data is copied from staged files.
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
"""NULL in staged CSV files; it has no backslash, because the two databases read backslashes differently."""


@dataclass(frozen=True)
class Sql:
    text: str


@dataclass(frozen=True)
class Staged:
    """Rows for one table, as gzipped CSV files in a bucket; `manifest` is the key of the file that lists them."""

    bucket: str
    manifest: str
    keys: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class Copy:
    """A step that copies staged rows, with all columns, into a table."""

    table: str
    staged: Staged


Step = Sql | Copy


class Warehouse(Protocol):
    def run(self, steps: Sequence[Step]) -> None:
        """Run steps in one transaction. Raises Unavailable for a passing fault, WarehouseRefused for a lasting one."""

    def rows(self, query: Sql) -> list[Row]:
        """Return a query's rows. Raises Unavailable for a passing fault, WarehouseRefused for a lasting one."""


def script(name: str, **values: int | str) -> list[Sql]:
    """Return the SQL statements of the file `name` beside this module, with each `:key` replaced by its value."""
    text = _text(name)
    for key, value in values.items():
        text = re.sub(rf":{key}\b", _literal(value).replace("\\", r"\\"), text)
    return [Sql(statement) for part in text.split(";") if (statement := part.strip())]


def query(name: str, **values: int | str) -> Sql:
    """Return the single SQL statement of `queries/<name>.sql`, with each `:key` replaced by its value."""
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
