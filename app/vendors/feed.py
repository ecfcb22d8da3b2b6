"""Reading a vendor's CSV feed: RFC 4180, UTF-8 (or Windows' cp1252), a header, one product a row.

A header that does not fit ends it (BadFeed). A bad cell is reported with its line, and the rest is read on. Text that a
spreadsheet would run as a formula is refused, because these cells are exported again.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.catalog.models import (
    LONGEST_DESCRIPTION,
    LONGEST_LABEL,
    LONGEST_NAME,
    LONGEST_WINDOW_DAYS,
    MOST_MINOR,
    MOST_STOCK,
    SKU_PATTERN,
    ProductChange,
)
from app.errors import BadFeed, FieldError
from app.vendors.models import RowError

MOST_BYTES = 32 * 1024 * 1024
MOST_ROWS = 50_000  # what the journal takes in one transaction
MOST_ERRORS = 1_000
REQUIRED = ("sku", "name", "brand", "department", "category", "price")
OPTIONAL = ("stock", "return_window_days", "description", "active")

_SKU = re.compile(SKU_PATTERN)
_FORMULA = re.compile(r"[\t\r]|\s*[=+\-@]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_PRICE = re.compile(r"\d{1,13}(?:\.(\d{1,20}))?", re.ASCII)
_WHOLE = re.compile(r"\d{1,12}", re.ASCII)
_YES_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Parsed:
    """`refused` counts rows, of which each may have several errors."""

    good: tuple[ProductChange, ...]
    refused: int
    errors: tuple[RowError, ...]
    more_errors: int


@dataclass
class _Bad(Exception):
    code: str
    message: str
    fix: str


def parse(content: bytes, digits: int) -> Parsed:
    """`digits` of the currency behind the point. Raises BadFeed; what it names is wrong with the file as a whole."""
    rows = _rows(content)
    header = _header(next(rows, (1, []))[1])
    cells = _cells(digits)
    read = [(name, cells[name]) for name in header]
    good: dict[str, ProductChange] = {}
    seen: dict[str, int] = {}
    errors: list[RowError] = []
    refused = 0
    for line, row in rows:
        values, wrong = _row(line, row, read)
        sku = values.get("sku")
        if sku in seen:
            fix = "keep one row of each SKU"
            wrong.append(RowError(line, "sku", "repeated", f"this SKU was in row {seen[sku]} already", fix))
        elif sku is not None:
            seen[sku] = line
        if wrong:
            refused += 1
            errors += wrong
        else:
            good[values["sku"]] = ProductChange(**values)
        if len(good) + refused > MOST_ROWS:
            raise BadFeed(f"a feed has at most {MOST_ROWS:,} rows: send it in parts")
    return Parsed(tuple(good.values()), refused, tuple(errors[:MOST_ERRORS]), max(0, len(errors) - MOST_ERRORS))


def _rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the line of the file where each begins."""
    reader = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
    line = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as refused:
            raise BadFeed(f"line {reader.line_num} is not CSV: {refused}; check its quotes") from None
        if row is None:
            return
        if row:
            yield line, row
        line = reader.line_num + 1


def _text(content: bytes) -> str:
    if len(content) > MOST_BYTES:
        raise BadFeed(f"a feed has at most {MOST_BYTES // 1024**2} MB: send it in parts")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadFeed("the file is neither UTF-8 nor Windows-1252: save it as CSV UTF-8")


def _header(row: list[str]) -> list[str]:
    names = [cell.strip().lower() for cell in row]
    errors = [FieldError(name, "missing-column", "is missing") for name in REQUIRED if name not in names]
    known = (*REQUIRED, *OPTIONAL)
    errors += [FieldError(name, "unknown-column", "is not known") for name in names if name not in known]
    errors += [
        FieldError(name, "repeated-column", "comes twice")
        for place, name in enumerate(names)
        if name in known and name in names[:place]
    ]
    if errors:
        said = "; ".join(f"column {error.field[:40]!r} {error.message}" for error in errors[:20])
        raise BadFeed(
            f"{said}. The header needs {', '.join(REQUIRED)}; it may have {', '.join(OPTIONAL)}", errors[:100]
        )
    return names


_Read = Callable[[str], Any]


def _row(line: int, row: list[str], read: list[tuple[str, tuple[str, _Read]]]) -> tuple[dict[str, Any], list[RowError]]:
    if len(row) != len(read):
        said = f"the row has {len(row)} cells, the header {len(read)}"
        return {}, [RowError(line, "", "cells", said, "put cells that hold a comma in double quotes")]
    values: dict[str, Any] = {}
    wrong = []
    for (column, (field, reads)), cell in zip(read, row, strict=True):
        try:
            values[field] = reads(cell)
        except _Bad as bad:
            wrong.append(RowError(line, column, bad.code, bad.message, bad.fix))
    return values, wrong


def _cells(digits: int) -> dict[str, tuple[str, _Read]]:
    """Of each column: the product's field that it fills, and what reads it."""
    return {
        "sku": ("sku", _sku),
        "name": ("name", lambda cell: _label(cell, LONGEST_NAME)),
        "brand": ("brand", lambda cell: _label(cell, LONGEST_LABEL)),
        "department": ("department", lambda cell: _label(cell, LONGEST_LABEL)),
        "category": ("category", lambda cell: _label(cell, LONGEST_LABEL)),
        "price": ("price_minor", lambda cell: _price(cell, digits)),
        "stock": ("stock", lambda cell: _whole(cell, MOST_STOCK)),
        "return_window_days": ("return_window_days", lambda cell: _whole(cell, LONGEST_WINDOW_DAYS)),
        "description": ("description", _description),
        "active": ("active", _yes_no),
    }


def _label(cell: str, longest: int) -> str:
    text = _plain(cell, longest, _CONTROL)
    if not text:
        raise _Bad("missing", "the cell is empty", "fill it in")
    return text


def _plain(cell: str, longest: int, never: re.Pattern[str]) -> str:
    if _FORMULA.match(cell):
        raise _Bad("formula", "a spreadsheet would take it for a formula", "begin it with a letter or a digit")
    text = cell.strip()
    if len(text) > longest:
        raise _Bad("too-long", f"it has {len(text)} characters", f"use at most {longest}")
    if never.search(text):
        raise _Bad("control-character", "it holds a character that can't be printed", "remove it")
    return text


def _sku(cell: str) -> str:
    sku = _label(cell, 40)
    if not _SKU.match(sku):
        fix = "begin with a letter or digit; use letters, digits, space and . _ / # : + -"
        raise _Bad("not-a-sku", "this is not a SKU", fix)
    return sku


def _description(cell: str) -> str | None:
    return _plain(cell, LONGEST_DESCRIPTION, _CONTROL_BUT_LINES) or None


def _price(cell: str, digits: int) -> int:
    found = _PRICE.fullmatch(cell.strip())
    if not found:
        raise _Bad("not-a-price", "this is not a price", "write it like 12.99, without currency or separators")
    if len(found[1] or "") > digits:
        said = f"the price has {len(found[1])} digits behind the point"
        raise _Bad("too-precise", said, f"use at most {digits}")
    minor = int(Decimal(found[0]).scaleb(digits))
    if minor > MOST_MINOR:
        raise _Bad("too-high", "the price is too high", f"use at most {Decimal(MOST_MINOR).scaleb(-digits):f}")
    return minor


def _whole(cell: str, most: int) -> int | None:
    text = cell.strip()
    if not text:
        return None
    if not _WHOLE.fullmatch(text) or int(text) > most:
        raise _Bad(
            "not-a-number", f"this is not a whole number from 0 to {most}", "write digits only, or leave it empty"
        )
    return int(text)


def _yes_no(cell: str) -> bool | None:
    text = cell.strip().lower()
    if text and text not in _YES_NO:
        raise _Bad("not-yes-or-no", "this is neither yes nor no", "write true or false, or leave it empty")
    return _YES_NO.get(text)
