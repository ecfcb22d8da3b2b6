"""One way to speak to a warehouse, whichever it is: steps in one transaction, and a query's rows.

SQL is written in what Redshift and PostgreSQL share. Values are put into the text, by the same rule for both:
Redshift's batches take no parameters. They are numbers and words of a few harmless
characters; anything else comes by COPY.
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
"""In staged CSV: one without a backslash, which the two read differently."""


@dataclass(frozen=True)
class Sql:
    text: str


@dataclass(frozen=True)
class Staged:
    """Rows of one table as gzipped CSV in a bucket. `manifest` is the key of the list of them."""

    bucket: str
    manifest: str
    keys: tuple[str, ...]
    rows: int


@dataclass(frozen=True)
class Copy:
    """COPY what is staged into all columns of a table."""

    table: str
    staged: Staged


Step = Sql | Copy


class Warehouse(Protocol):
    def run(self, steps: Sequence[Step]) -> None:
        """All of the steps, in one transaction and connection, or none.

        Raises Unavailable for what passes, WarehouseRefused for what does not.
        """
        ...

    def rows(self, query: Sql) -> list[Row]:
        """Raises the same."""
        ...


def script(name: str, **values: int | str) -> list[Sql]:
    """The statements of a file beside this one, with `:name` replaced by its value."""
    text = _text(name)
    for key, value in values.items():
        text = re.sub(rf":{key}\b", _literal(value).replace("\\", r"\\"), text)
    return [Sql(statement) for part in text.split(";") if (statement := part.strip())]


def query(name: str, **values: int | str) -> Sql:
    """The only statement of `queries/<name>.sql`."""
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
