"""Rows as a table on the screen, or as CSV without text that spreadsheets run as formulas."""

import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import fields
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query, Response
from rich.console import Console
from rich.table import Table

from app.formulas import is_formula

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
"""OpenAPI `responses` of a route that can also return CSV."""
CSV_ROWS = 10_000
"""Rows of a CSV page if the request has no `limit`; its `Link` header leads to the next page."""


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"


In = Annotated[Format, Query(alias="format", description="the rows as JSON, or alone as CSV")]


def columns_of(row: "type[DataclassInstance]") -> list[str]:
    return [field.name for field in fields(row)]


def csv_of(row: "type[DataclassInstance]", rows: Sequence[object]) -> str:
    """Return rows as CSV, with the fields' names as header; formulas get an apostrophe before them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns_of(row))
    writer.writerows([_cell(getattr(item, name)) for name in columns_of(row)] for item in rows)
    return text.getvalue()


def answer(row: "type[DataclassInstance]", rows: Sequence[object], headers: dict[str, str] | None = None) -> Response:
    return Response(csv_of(row, rows), headers=headers, media_type="text/csv")


def show(title: str, row: "type[DataclassInstance]", rows: Sequence[object], *, as_csv: bool, screen: Console) -> None:
    """Print rows as a table, or as CSV."""
    if as_csv:
        sys.stdout.write(csv_of(row, rows))
        return
    table = Table(*(name.replace("_", " ") for name in columns_of(row)), title=title, title_justify="left")
    for item in rows:
        table.add_row(*(_shown(name, getattr(item, name)) for name in columns_of(row)))
    screen.print(table if rows else f"{title}: nothing", soft_wrap=not rows)


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and is_formula(value) else value


def _shown(name: str, value: object) -> str:
    match value:
        case None:
            return ""
        case int() if name != "year":
            return f"{value:,}"
        case float():
            return f"{value:,.3f}"
        case _:
            return str(value)
